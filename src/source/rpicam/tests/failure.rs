use super::*;

#[test]
fn what_the_program_says_is_explained() {
    let told = |said: &str| {
        let line = format!("ERROR: *** {said} ***");
        explain(&line).map_or(line, |error| error.to_string())
    };
    for (said, words) in [
        ("no cameras available", "camera_auto_detect"),
        ("selected camera is not available", "camera ="),
        (
            "failed to acquire camera /base/soc/i2c0mux/i2c@1/ov5647@36",
            "busy",
        ),
        (
            "Unable to find an appropriate H.264 codec",
            "sudo apt install rpicam-apps.",
        ),
        ("Unrecognised codec libav", "sudo apt install rpicam-apps."),
        (
            "unrecognised option '--libav-format'",
            "sudo apt install rpicam-apps.",
        ),
        ("illegal rotation value", "illegal rotation value"),
    ] {
        assert!(told(said).contains(words), "{}", told(said));
    }
}

#[test]
fn the_holder_of_a_lock_is_found() {
    let locks = "1: FLOCK  ADVISORY  WRITE 1 00:06:345 0 EOF
2: POSIX  ADVISORY  WRITE 7 00:06:346 0 EOF
3: POSIX  ADVISORY  WRITE 812 00:06:345 0 EOF
3: -> POSIX  ADVISORY  WRITE 813 00:06:347 0 EOF
";
    let found = |inodes: [u64; 2]| lock_holders(locks, &inodes.map(|inode| file(6, inode)));
    assert_eq!(found([9, 345]), [812]);
    assert_eq!(found([34, 347]), [0; 0]);
    assert_eq!(file(6, 345), "00:06:345");
}
