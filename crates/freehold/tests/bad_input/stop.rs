//! Ctrl-C at any moment: a stated status, nothing half made, the same command again works, and no folder is left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{Data, copy, freehold, json, text, tree};

/// How often each command is stopped.
const STOPS: u32 = 10;
/// Messages of the import that is stopped: enough for several commits.
const MESSAGES: u64 = 700;
/// How long a stopped command may take before it counts as one that does not stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a command that was stopped before it was done ends with.
const STOPPED: i32 = 130;

/// Moments between the first and the last of a command, by a printed seed.
struct Moments(u64);

impl Moments {
    fn new(command: &str, whole: Duration) -> Self {
        let seed = u64::from(std::process::id()) ^ whole.as_nanos() as u64;
        println!("{command}: seed {seed}, it takes {whole:?}");
        Self(seed)
    }

    /// The next, as a share of the whole.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 31)
    }
}

fn interrupt(child: &Child) {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::INT).expect("a signal to our child");
}

/// Starts a command, interrupts it after that long, and waits for its end.
fn stopped_after(mut command: Command, moment: Duration) -> ExitStatus {
    let mut child = command.stderr(Stdio::null()).spawn().expect("it starts");
    std::thread::sleep(moment);
    interrupt(&child);
    let asked = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if asked.elapsed() > PATIENCE {
            child.kill().expect("killed");
            child.wait().expect("gone");
            panic!("it does not stop");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// It was done already, or it says that it was stopped; before it could listen, the signal itself ends it.
#[track_caller]
fn stated(status: ExitStatus) -> bool {
    let early = status.signal() == Some(Signal::INT.as_raw());
    assert!(early || matches!(status.code(), Some(0 | STOPPED)), "{status}");
    status.success()
}

#[test]
fn a_tour_that_is_stopped_leaves_no_folder() {
    let folder = TempDir::new().expect("a folder");
    let tour = || {
        let mut tour = freehold(&["tour", "--json"]);
        tour.env("TMPDIR", folder.path()).stdout(Stdio::null());
        tour
    };
    let began = Instant::now();
    assert!(tour().output().expect("it runs").status.success());
    let whole = began.elapsed();
    let mut moments = Moments::new("tour", whole);
    for _ in 0..STOPS {
        let share = moments.share();
        let done = stated(stopped_after(tour(), whole.mul_f64(share)));
        println!("tour: {share:.3}, done {done}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "at {share:.3}");
    }
    assert!(tour().output().expect("it runs").status.success());
}

#[test]
fn an_import_that_is_stopped_goes_on_and_stores_nothing_twice() {
    let folder = TempDir::new().expect("a folder");
    let mail = folder.path().join("mail");
    fs::create_dir(&mail).expect("a folder");
    for number in 0..MESSAGES {
        let body = format!("line {number} of a letter that nobody has read\r\n").repeat(40);
        fs::write(mail.join(format!("{number:04}.eml")), format!("Subject: {number}\r\n\r\n{body}"))
            .expect("written");
    }
    let source = tree(&mail);
    let fresh = Data::new(folder.path().join("fresh"));
    fresh.mailbox("import", &["--create", &text(&mail.join("0000.eml"))]);
    let copied = |name: &str| {
        let data = Data { folder: folder.path().join(name), tenant: fresh.tenant.clone() };
        copy(&fresh.folder, &data.folder);
        data
    };
    let rehearsal = copied("rehearsal");
    let began = Instant::now();
    rehearsal.mailbox("import", &[&text(&mail)]);
    let whole = began.elapsed();
    let expected = names(&rehearsal.folder);
    let mut moments = Moments::new("import", whole);
    for stop in 0..STOPS {
        let data = copied(&format!("stopped-{stop}"));
        let share = moments.share();
        let mut command = data.on_mailbox("import", &[&text(&mail)]);
        command.stdout(Stdio::null());
        let done = stated(stopped_after(command, whole.mul_f64(share)));
        let kept = data.mailbox_json("list", &[])["objects"].as_array().expect("a list").len();
        println!("import: {share:.3}, done {done}, {kept} kept");
        let again = data.mailbox_json("import", &[&text(&mail)]);
        let count = |field: &str| again[field].as_u64().expect("a count");
        assert_eq!(
            (count("alreadyThere"), count("imported")),
            (kept as u64, MESSAGES - kept as u64),
            "{again}"
        );
        let back = folder.path().join("back");
        data.mailbox("read", &["--all", "--out", &text(&back)]);
        assert!(tree(&back) == source, "at {share:.3} something differs");
        assert_eq!(names(&data.folder), expected, "at {share:.3} something is left");
        fs::remove_dir_all(&back).expect("removed");
    }
}

#[test]
fn a_creation_that_is_stopped_is_finished_by_the_same_command() {
    let folder = TempDir::new().expect("a folder");
    let create = |data: &str| {
        freehold(&["tenant", "create", "Contoso", "--domain", "contoso.com", "--json", "--data", data])
    };
    let fresh = text(&folder.path().join("fresh"));
    let began = Instant::now();
    assert!(create(&fresh).output().expect("it runs").status.success());
    let whole = began.elapsed();
    let mut moments = Moments::new("tenant create", whole);
    for stop in 0..STOPS {
        let data = text(&folder.path().join(format!("stopped-{stop}")));
        let share = moments.share();
        let told = folder.path().join("told");
        let mut command = create(&data);
        command.stdout(fs::File::create(&told).expect("made"));
        let done = stated(stopped_after(command, whole.mul_f64(share)));
        let told = fs::metadata(told).expect("there").len() > 0;
        let again = create(&data).output().expect("it runs");
        let all = json(&["tenant", "list", "--json", "--data", &data]);
        let all = all["tenants"].as_array().expect("a list");
        println!("tenant create: {share:.3}, done {done}, told {told}, again {:?}", again.status.code());
        // Only what was told is over: then the domain is somebody's.
        assert!(again.status.success() || told, "at {share:.3}: {}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(all.len(), 1, "at {share:.3}");
        assert_eq!(names(Path::new(&data)), names(Path::new(&fresh)), "at {share:.3} something is left");
    }
}

#[test]
fn a_start_that_is_stopped_can_be_made_again() {
    let folder = TempDir::new().expect("a folder");
    let serve = |data: &str| {
        let free = ["--set", "vault.listen=127.0.0.1:0", "--set", "availability-vault.listen=127.0.0.1:0"];
        let mut serve = freehold(&[&["serve", "--data", data][..], &free].concat());
        serve.stdout(Stdio::null()).stderr(Stdio::null());
        serve
    };
    let ready_and_stopped = |data: &str| {
        let began = Instant::now();
        let mut child = serve(data).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"), "it gets ready");
        let whole = began.elapsed();
        interrupt(&child);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        whole
    };
    let fresh = text(&folder.path().join("fresh"));
    let whole = ready_and_stopped(&fresh);
    let mut moments = Moments::new("serve", whole);
    for stop in 0..STOPS {
        let data = text(&folder.path().join(format!("stopped-{stop}")));
        let share = moments.share();
        let status = stopped_after(serve(&data), whole.mul_f64(share));
        println!("serve: {share:.3}, {status}");
        // Told to stop is what `serve` runs until; before it listens, the signal itself ends it.
        assert!(status.success() || status.signal() == Some(Signal::INT.as_raw()), "at {share:.3}: {status}");
        ready_and_stopped(&data);
        assert_eq!(names(Path::new(&data)), names(Path::new(&fresh)), "at {share:.3} something is left");
    }
}

/// The files of a data folder that are not content: by their paths, and ids by their length.
///
/// A process that ends while a database is open leaves its log beside it, which the next one takes up.
fn names(data: &Path) -> Vec<String> {
    let log = |path: &str| path.ends_with(".sqlite-wal") || path.ends_with(".sqlite-shm");
    let ours = |path: &String| !path.starts_with("service/blobs/objects/") && !log(path);
    let id =
        |part: &str| if part.len() == 36 || part.len() == 73 { "ID".to_owned() } else { part.to_owned() };
    let named = |path: String| path.split('/').map(id).collect::<Vec<_>>().join("/");
    tree(data).into_keys().filter(ours).map(named).collect()
}
