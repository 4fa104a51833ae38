//! Arguments of the macros, and what they stand on; see [`mini_rt_fuzz::macro_arguments`].
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mini_rt_fuzz::macro_arguments::check(text));
