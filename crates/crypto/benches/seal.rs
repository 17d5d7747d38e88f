//! The sealed format beside raw AES-256-GCM of aws-lc-rs, interleaved in one run: `cargo bench -p freehold-crypto`.
//!
//! Raw: one key schedule for the whole run, chunks of 16 KiB, sealed in place and opened from one buffer into
//! another, and nothing else. Ours: what a caller gets, a new DEK for every message, its wrap, two derivations
//! and the header included, into buffers that are used again. The ratio is raw time over our time in the same round: 100 % is
//! as fast as raw. The first round warms up and is dropped; what is printed is the median and the spread of the rest.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use freehold_crypto::testing::SeededRandom;
use freehold_crypto::{Container, ContainerPlace, Dek, Key, Part, PartPlace, Wrapped, sealed_len};

const CHUNK: usize = 16 * 1024;
const TAG: usize = 16;
const SIZES: [(&str, usize); 3] = [("1 KiB", 1024), ("16 KiB", CHUNK), ("1 MiB", 1024 * 1024)];
/// Rounds that count; the warm-up comes on top.
const ROUNDS: usize = 11;
/// How long one measurement of one round takes, about.
const SPAN: Duration = Duration::from_millis(25);
/// A stream is pushed in pieces of this size.
const PIECE: usize = 64 * 1024;

const PLACE: PartPlace = PartPlace {
    container: ContainerPlace { tenant: [1; 16], container: [2; 16], generation: 1 },
    object: [3; 16],
    part: Part::Blob(0),
};

fn main() {
    // `cargo bench` says so; `cargo test --all-targets` runs this too, and gets every step once.
    let measure = std::env::args().any(|argument| argument == "--bench");
    if !measure {
        for (_, size) in SIZES {
            let mut bench = Bench::new(size);
            STEPS.iter().for_each(|(_, raw, ours)| [raw, ours].into_iter().for_each(|step| step(&mut bench)));
        }
        return;
    }
    println!("sealed format / raw AES-256-GCM, {ROUNDS} interleaved rounds: median (min to max)\n");
    println!("{:<7} {:<13} {:>9} {:>9}   ratio", "size", "", "raw GB/s", "our GB/s");
    for (name, size) in SIZES {
        let mut bench = Bench::new(size);
        let runs: Vec<usize> = STEPS.iter().map(|(_, raw, _)| runs(&mut bench, *raw)).collect();
        let mut times = vec![Vec::new(); STEPS.len()];
        for round in 0..=ROUNDS {
            for ((_, raw, ours), (runs, times)) in STEPS.iter().zip(runs.iter().zip(&mut times)) {
                let pair = (time(&mut bench, *raw, *runs), time(&mut bench, *ours, *runs));
                if round > 0 {
                    times.push(pair);
                }
            }
        }
        for ((what, ..), (runs, times)) in STEPS.iter().zip(runs.iter().zip(&times)) {
            let speed = |seconds: f64| (size * runs) as f64 / seconds / 1e9;
            let (raw, _, _) = spread(times.iter().map(|(raw, _)| speed(*raw)));
            let (ours, _, _) = spread(times.iter().map(|(_, ours)| speed(*ours)));
            let (ratio, low, high) = spread(times.iter().map(|(raw, ours)| 100.0 * raw / ours));
            println!("{name:<7} {what:<13} {raw:>9.2} {ours:>9.2}   {ratio:.1} % ({low:.1} to {high:.1})");
        }
    }
    println!("\nper message, on top of AES-GCM: a DEK, its wrap, and two HKDF-SHA-512 derivations");
}

type Step = fn(&mut Bench);

/// What is measured: raw, and ours.
const STEPS: [(&str, Step, Step); 4] = [
    ("seal", Bench::raw_seal, Bench::seal),
    ("open", Bench::raw_open, Bench::open),
    ("seal, stream", Bench::raw_seal, Bench::seal_stream),
    ("open, stream", Bench::raw_open, Bench::open_stream),
];

/// The buffers of one size; every step leaves them as the next one needs them.
struct Bench {
    random: SeededRandom,
    container: Key<Container>,
    raw: LessSafeKey,
    plain: Vec<u8>,
    /// Sealed in place, over and over: its content does not matter.
    in_place: Vec<u8>,
    raw_sealed: Vec<u8>,
    raw_opened: Vec<u8>,
    dek: Wrapped<Dek>,
    sealed: Vec<u8>,
    message: Vec<u8>,
    opened: Vec<u8>,
}

impl Bench {
    fn new(size: usize) -> Self {
        let random = SeededRandom::new(size as u64);
        let container = Key::generate(&random);
        let raw = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes"));
        let plain: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut raw_sealed = Vec::new();
        for (index, chunk) in plain.chunks(CHUNK).enumerate() {
            let mut chunk = chunk.to_vec();
            raw.seal_in_place_append_tag(nonce(index), Aad::empty(), &mut chunk).expect("short");
            raw_sealed.extend_from_slice(&chunk);
        }
        let mut sealed = Vec::new();
        let dek = container.seal_into(&plain, &PLACE, &random, &mut sealed);
        assert_eq!(sealed.len() as u64, sealed_len(size as u64));
        let (in_place, raw_opened) = (plain.clone(), vec![0; size]);
        let (message, opened) = (Vec::with_capacity(sealed.len()), Vec::with_capacity(size));
        Self { random, container, raw, plain, in_place, raw_sealed, raw_opened, dek, sealed, message, opened }
    }

    fn raw_seal(&mut self) {
        for (index, chunk) in self.in_place.chunks_mut(CHUNK).enumerate() {
            let tag = self.raw.seal_in_place_separate_tag(nonce(index), Aad::empty(), chunk).expect("short");
            black_box(tag.as_ref());
        }
    }

    fn raw_open(&mut self) {
        let chunks = self.raw_sealed.chunks(CHUNK + TAG).zip(self.raw_opened.chunks_mut(CHUNK));
        for (index, (sealed, plain)) in chunks.enumerate() {
            let (body, tag) = sealed.split_at(sealed.len() - TAG);
            let opened = self.raw.open_separate_gather(nonce(index), Aad::empty(), body, tag, plain);
            opened.expect("authentic");
        }
        black_box(&self.raw_opened);
    }

    fn seal(&mut self) {
        let dek = self.container.seal_into(&self.plain, &PLACE, &self.random, &mut self.message);
        black_box((dek, &self.message));
    }

    fn open(&mut self) {
        let opened = self.container.open_into(&self.dek, &self.sealed, &PLACE, &mut self.opened);
        opened.expect("authentic");
        black_box(&self.opened);
    }

    fn seal_stream(&mut self) {
        self.message.clear();
        let (dek, mut sealer) = self.container.sealer(&PLACE, &self.random);
        for piece in self.plain.chunks(PIECE) {
            sealer.push(piece, &mut self.message).expect("short");
        }
        sealer.finish(&mut self.message);
        black_box((dek, &self.message));
    }

    fn open_stream(&mut self) {
        self.opened.clear();
        let mut opener = self.container.opener(&self.dek, &PLACE).expect("its own place");
        for piece in self.sealed.chunks(PIECE) {
            opener.push(piece, &mut self.opened).expect("authentic");
        }
        opener.finish(&mut self.opened).expect("whole");
        black_box(&self.opened);
    }
}

fn nonce(index: usize) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(index as u64).to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// How often a step runs in about [`SPAN`].
fn runs(bench: &mut Bench, step: Step) -> usize {
    let mut runs = 1;
    while time(bench, step, runs) < SPAN.as_secs_f64() {
        runs *= 2;
    }
    runs
}

fn time(bench: &mut Bench, step: Step, runs: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..runs {
        step(bench);
    }
    start.elapsed().as_secs_f64()
}

/// Median, smallest and largest.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}
