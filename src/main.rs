//! The thin binary around the library.

fn main() -> std::process::ExitCode {
    lynccap::cli::main()
}
