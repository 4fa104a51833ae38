//! Strings that name an address; see [`mini_rt_fuzz::addresses`].
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mini_rt_fuzz::addresses::check(text));
