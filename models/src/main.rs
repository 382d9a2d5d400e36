fn main() -> std::process::ExitCode {
    models::command::main()
}
