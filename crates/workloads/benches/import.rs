//! A durable import beside a plain durable copy of the same files, interleaved, as rates and a ratio.
//!
//! `cargo bench -p freehold-workloads --bench import [-- FOLDER]`: FOLDER holds messages; without it messages of
//! about 4 KiB are made. The copy writes, syncs and renames each file, and syncs the folder once for as many
//! files as an import acknowledges at once. It prints and judges nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../tests/engine/support.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod support;

use freehold_workloads::{BATCH_ITEMS, Content, Item, Kind};
use futures::stream;
use support::{World, caller, message};

/// Rounds that count; one more comes first, to warm up.
const ROUNDS: usize = 7;
/// Messages that are made when no folder is given.
const MADE: usize = 6000;

fn main() -> io::Result<()> {
    // `cargo bench` says so; `cargo test --all-targets` runs this too, and gets one short round.
    let (rounds, made) =
        if std::env::args().any(|argument| argument == "--bench") { (ROUNDS, MADE) } else { (1, 50) };
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let folder = match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(folder) => PathBuf::from(folder),
        None => make(&place.path().join("made"), made)?,
    };
    let mut files = Vec::new();
    walk(&folder, &mut files)?;
    files.sort();
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).map_or(0, |meta| meta.len())).sum();
    println!("{} files, {:.1} MiB, {} cores", files.len(), bytes as f64 / 1048576.0, cores());

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores()).build()?;
    let (mut imports, mut copies) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let scratch = tempfile::tempdir_in(place.path())?;
        let (mut import_took, mut copy_took) = (Duration::ZERO, Duration::ZERO);
        // The order changes from round to round, so that neither always pays for what the other left.
        for half in 0..2 {
            if half == round % 2 {
                import_took = runtime.block_on(import(scratch.path(), &folder, &files));
            } else {
                copy_took = copy(&scratch.path().join("copy"), &files)?;
            }
        }
        if round > 0 {
            imports.push(files.len() as f64 / import_took.as_secs_f64());
            copies.push(files.len() as f64 / copy_took.as_secs_f64());
            println!(
                "round {round}: import {:>7.0}/s   copy {:>7.0}/s",
                imports[round - 1],
                copies[round - 1]
            );
        }
    }
    let ratios = imports.iter().zip(&copies).map(|(import, copy)| import / copy).collect();
    println!("import  {} messages/s", spread(imports, 0));
    println!("copy    {} files/s", spread(copies, 0));
    println!("ratio   {}", spread(ratios, 2));
    Ok(())
}

async fn import(scratch: &Path, folder: &Path, files: &[PathBuf]) -> Duration {
    let world = World::disk(1, scratch).await;
    let me = caller(1);
    let alice = world.mailbox(&me, "alice@contoso.com").await;
    let items = files.iter().map(|file| {
        let path =
            file.strip_prefix(folder).expect("it was found there").as_os_str().as_encoded_bytes().to_vec();
        let file = file.clone();
        Item { path, kind: Kind::Message, content: Content::again(move || Ok(Box::new(File::open(&file)?))) }
    });
    let items = stream::iter(items.collect::<Vec<_>>());
    let started = Instant::now();
    let summary = world.engine.import(&me, alice.id, items, |_| ()).await.expect("it runs");
    let took = started.elapsed();
    assert_eq!(summary.imported + summary.already_there, files.len() as u64);
    took
}

fn copy(to: &Path, files: &[PathBuf]) -> io::Result<Duration> {
    fs::create_dir(to)?;
    let started = Instant::now();
    for (number, batch) in files.chunks(BATCH_ITEMS).enumerate() {
        for (within, file) in batch.iter().enumerate() {
            let content = fs::read(file)?;
            let (temporary, name) = (to.join("temporary"), to.join(format!("{number}-{within}")));
            let mut copy = File::create(&temporary)?;
            copy.write_all(&content)?;
            copy.sync_all()?;
            fs::rename(&temporary, &name)?;
        }
        File::open(to)?.sync_all()?;
    }
    Ok(started.elapsed())
}

fn make(folder: &Path, messages: usize) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    for number in 0..messages {
        // 1 to 7 KiB
        fs::write(folder.join(format!("{number}.eml")), message(number, 1024 + number * 37 % 6144))?;
    }
    Ok(folder.to_owned())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Median, least and most.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.digits$} ({least:.digits$}-{most:.digits$})", values[values.len() / 2])
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
