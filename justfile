# What CI runs.
ci:
    bash .ci/run

# The tests, on the local stack's own engines.
test:
    cargo test

# Whether dependencies have the licenses, the sources and no advisory that deny.toml
# says; needs `cargo install cargo-deny`.
deny:
    cargo deny check

# Formats, and shows what the linter has to say.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# Takes the snapshots of the command line as they are now; look at the diff.
snapshots:
    INSTA_UPDATE=always cargo test -p cruddur-cli

# A seeded stack in this folder, and what to try on it.
up:
    cargo run --release -- setup --local

# cruddur beside what people would use instead; writes benches/RESULTS.md.
bench *ARGS:
    cargo build --release
    python3 benches/bench.py target/release/cruddur {{ARGS}}

# Time and memory from a thousand to a million items; draws benches/growth.svg.
bench-growth *ARGS:
    cargo build --release
    python3 benches/bench.py target/release/cruddur --growth {{ARGS}}

# Fails when a command takes 5 % more instructions than committed; --update writes
# them down.
instructions *ARGS:
    cargo build
    python3 benches/instructions.py target/debug/cruddur {{ARGS}}

# The stack beside DynamoDB Local and moto: start, memory, processor time.
bench-local *ARGS:
    cargo build --release
    python3 benches/local.py target/release/cruddur {{ARGS}}

# Records a second and writes a record of `ddb stream drain`.
bench-stream *ARGS:
    cargo build --release
    python3 benches/stream.py target/release/cruddur {{ARGS}}
