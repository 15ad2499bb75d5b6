use super::*;
use std::env;
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_new_name_goes_before_the_old_one() {
    let folder = env::temp_dir().join(format!("fmp4streamer-rpicam-{}", std::process::id()));
    let (a, b) = (folder.join("a"), folder.join("b"));
    for (folder, program, mode) in [
        (&a, "libcamera-vid", 0o755),
        (&a, "rpicam-vid", 0o644),
        (&b, "rpicam-vid", 0o755),
    ] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(program), "").unwrap();
        fs::set_permissions(folder.join(program), fs::Permissions::from_mode(mode)).unwrap();
    }
    let found = |folders: &[&std::path::Path]| find(env::join_paths(folders).unwrap().to_str().unwrap());
    assert_eq!(found(&[&a, &b]), b.join("rpicam-vid").to_str().map(String::from));
    assert_eq!(found(&[&a]), a.join("libcamera-vid").to_str().map(String::from));
    assert_eq!(found(&[&folder]), None);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_program_that_flushes_gets_a_buffer_for_whole_frames() {
    let folder = env::temp_dir().join(format!("fmp4streamer-stdbuf-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let stdbuf = folder.join("stdbuf");
    fs::write(&stdbuf, "").unwrap();
    fs::set_permissions(&stdbuf, fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.to_str().unwrap();
    let run = |arguments: &str, path: &str| {
        let arguments = arguments.split(' ').map(str::to_owned).collect();
        words("/b/rpicam-vid".to_owned(), arguments, path).join(" ")
    };
    assert_eq!(
        run("-t 0 --flush -o -", path),
        format!("{path}/stdbuf -o4M /b/rpicam-vid -t 0 --flush -o -")
    );
    assert_eq!(
        run("-t 0 --flush -o -", "/no/such"),
        "/b/rpicam-vid -t 0 --flush -o -"
    );
    assert_eq!(
        run("-t 0 --codec libav -o -", path),
        "/b/rpicam-vid -t 0 --codec libav -o -"
    );
    fs::remove_dir_all(&folder).unwrap();
}
