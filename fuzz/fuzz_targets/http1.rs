#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| alula_fuzz::http1::run(data));
