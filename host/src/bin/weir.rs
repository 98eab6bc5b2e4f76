//! What operators and authors use.

fn main() -> std::process::ExitCode {
    weir::cli::main()
}
