//! What the dependencies take from the C library's `libm`, as a part of the binary: to
//! load that library for two functions is a tenth of the time of a command that does
//! little.

// SAFETY of the names: both do what the C standard has functions of these names do.

#[unsafe(no_mangle)]
extern "C" fn log(x: f64) -> f64 {
    libm::log(x)
}

#[unsafe(no_mangle)]
extern "C" fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{E, SQRT_2};

    /// As `f64` reaches them, too.
    #[test]
    fn they_are_those_of_the_standard() {
        assert_eq!((super::pow(2.0, 10.0), super::log(1.0)), (1024.0, 0.0));
        let (base, one) = (std::hint::black_box(2.0_f64), std::hint::black_box(E));
        assert!((base.powf(0.5) - SQRT_2).abs() < 1e-15);
        assert!((one.ln() - 1.0).abs() < 1e-15);
    }
}
