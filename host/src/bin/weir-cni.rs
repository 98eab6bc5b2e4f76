//! What goes on CNI_PATH: one binary, called by the name of the plugin that it should run.

fn main() -> std::process::ExitCode {
    weir::contract::main()
}
