#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| alula_fuzz::sse::run(data));
