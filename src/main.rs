//! The thin binary around the library.

/// A row is made on one thread and dropped on another. Where that takes a lock, as in most C libraries, threads wait
/// for each other.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    lynccap::cli::main()
}
