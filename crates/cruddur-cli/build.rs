//! How the binary is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Code at a fixed address has nothing to be relocated: a third less time and
    // 1 MB less memory for a command that does little. The addresses of the
    // heap, the stack and the libraries stay random.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
