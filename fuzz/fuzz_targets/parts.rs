#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| alula::__fuzz::multipart(data));
