//! The one binary.

fn main() -> std::process::ExitCode {
    serving::commands::main()
}
