//! Compares `mini_rt` with its peers. See `benches/README.md`, or run it with `--help`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    mini_rt_benches::arena::main()
}
