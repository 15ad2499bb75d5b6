#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fmp4streamer::serve::head::laws::request_head(data));
