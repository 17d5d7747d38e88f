//! The vault over HTTPS beside raw private operations and beside a bare echo, interleaved in one run.
//!
//! `cargo bench -p freehold --bench vault`. The server is a process of its own on core 0, the clients are on core 1. The raw
//! operations are done by the server's process while nobody asks it anything, so that both sides of a ratio have the same core
//! in the same round. Every use of a key is authorised, and its record is durable before the reply leaves: there is no other
//! mode. Beside the rates stand the rates per second of processor time, which a busy machine disturbs less. It prints and
//! judges nothing.

mod client;
mod server;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Load};
use server::Server;

/// Rounds that count; one more comes first, to warm up.
const ROUNDS: usize = 7;
/// How long one measurement of one round takes.
const SPAN: Duration = Duration::from_millis(400);
/// Connections that ask at the same time.
const CONNECTIONS: usize = 32;
/// Sizes of RSA keys, and the least share of raw operations that is aimed at, in per cent.
const SIZES: [(usize, f64); 3] = [(2048, 85.0), (3072, 92.0), (4096, 92.0)];
/// The aim for RSA-2048 with durable records, in per cent.
const DURABLE_AIM: f64 = 75.0;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, folder] = arguments.as_slice()
        && mode == server::MODE
    {
        return server::serve(folder.as_ref());
    }
    // `cargo bench` says so; `cargo test --all-targets` runs this too, and gets one short round.
    let whole = arguments.iter().any(|argument| argument == "--bench");
    let (rounds, span) = if whole { (ROUNDS, SPAN) } else { (1, Duration::from_millis(20)) };
    println!("{}, {} cores; {rounds} interleaved rounds: median (min to max)", processor(), cores());
    let pinned = server::pin_here("1");
    let mut server = Server::start(Some("0"))?;
    println!("server on core 0: {}; clients on core 1: {}\n", said(server.pinned), said(pinned));
    unwraps(&mut server, rounds, span)?;
    reads(&mut server, rounds, span)?;
    drop(server);
    server::pin_here(&format!("0-{}", cores() - 1));
    generations(rounds, span)?;
    println!(
        "\nfor comparison, measured elsewhere: Cosmian KMS 1905 unwraps/s with RSA-2048 on such a core;"
    );
    println!("published throttle of Azure Key Vault for software keys of 2048 bits: 400/s a vault");
    println!("SoftHSM in process: NOT MEASURED in this run");
    Ok(())
}

/// One round of one thing.
#[derive(Clone, Copy)]
struct Measured {
    /// In a second.
    rate: f64,
    /// In a second of the server's processor time.
    by_processor: f64,
}

fn unwraps(server: &mut Server, rounds: usize, span: Duration) -> io::Result<()> {
    println!(
        "unwrapKey, authorised, recorded durably, {CONNECTIONS} connections / raw aws-lc-rs on the same core"
    );
    let sizes: Vec<(usize, f64, Load)> = SIZES
        .iter()
        .map(|(bits, aim)| Ok((*bits, *aim, Load::open(server, CONNECTIONS, &server.unwrap(*bits))?)))
        .collect::<io::Result<_>>()?;
    for (bits, aim, mut load) in sizes {
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let pair = (server.raw(bits, span)?, measure(server, &mut load, span)?);
            if round > 0 {
                raw.push(pair.0);
                ours.push(pair.1);
            }
        }
        print!("RSA-{bits}: ");
        show(&raw, &ours);
        let durable = if bits == 2048 { format!(", durable {DURABLE_AIM} %") } else { String::new() };
        println!("   aim {aim} %{durable}");
    }
    Ok(())
}

fn reads(server: &mut Server, rounds: usize, span: Duration) -> io::Result<()> {
    println!("\nget and list (25 keys) / a bare JSON echo on the same server, {CONNECTIONS} connections");
    let mut echo = Load::open(server, CONNECTIONS, &server.echo())?;
    for (what, request) in [("get", server.get()), ("list", server.list())] {
        let mut load = Load::open(server, CONNECTIONS, &request)?;
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let pair = (measure(server, &mut echo, span)?, measure(server, &mut load, span)?);
            if round > 0 {
                bare.push(pair.0);
                ours.push(pair.1);
            }
        }
        print!("{what}: ");
        show(&bare, &ours);
        println!("   aim 50 %");
    }
    Ok(())
}

/// The 99th percentile of unwrapKey with one connection, alone and while keys of 4096 bits are made, on all cores.
fn generations(rounds: usize, span: Duration) -> io::Result<()> {
    let server = Server::start(None)?;
    let request = server.unwrap(2048);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let quiet = ninety_ninth(&server, &request, span * 2)?;
        let make = server.make(round);
        let busy = thread::scope(|scope| {
            let makers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| Client::open(&server, &make)?.until(Instant::now() + span * 2)))
                .collect();
            let busy = ninety_ninth(&server, &request, span * 2);
            for maker in makers {
                maker.join().expect("no panic")?;
            }
            busy
        })?;
        if round > 0 {
            alone.push(quiet);
            beside.push(busy);
        }
    }
    let ratios = beside.iter().zip(&alone).map(|(beside, alone)| beside / alone).collect();
    println!("\np99 of unwrapKey with RSA-2048, one connection, all cores");
    println!("alone                       {} ms", spread(alone, 2));
    println!("while 4096-bit keys are made {} ms", spread(beside, 2));
    println!("ratio                       {}   aim at most 2", spread(ratios, 2));
    Ok(())
}

fn ninety_ninth(server: &Server, request: &[u8], span: Duration) -> io::Result<f64> {
    let mut took = Client::open(server, request)?.until(Instant::now() + span)?;
    took.sort();
    Ok(took[(took.len() - 1) * 99 / 100].as_secs_f64() * 1e3)
}

fn measure(server: &mut Server, load: &mut Load, span: Duration) -> io::Result<Measured> {
    let before = server.processor_time()?;
    let started = Instant::now();
    let answers = load.run(span)? as f64;
    let took = started.elapsed().as_secs_f64();
    let busy = (server.processor_time()? - before).as_secs_f64();
    Ok(Measured { rate: answers / took, by_processor: answers / busy })
}

fn show(base: &[Measured], ours: &[Measured]) {
    let rates = |of: &[Measured]| spread(of.iter().map(|one| one.rate).collect(), 0);
    let share = |of: fn(&Measured) -> f64| {
        spread(ours.iter().zip(base).map(|(ours, base)| 100.0 * of(ours) / of(base)).collect(), 1)
    };
    println!("{} /s beside {} /s", rates(ours), rates(base));
    println!("   {} % by the clock", share(|one| one.rate));
    println!("   {} % by the server's processor time", share(|one| one.by_processor));
}

/// Median, least and most.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", values[values.len() / 2])
}

fn said(pinned: bool) -> &'static str {
    if pinned { "pinned" } else { "NOT PINNED (taskset is missing): the ratios mean less" }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown processor".into(), |(_, name)| name.to_owned())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
