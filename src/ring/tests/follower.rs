//! Followers and the ring's lock, with threads.

use super::super::fragments::Limits;
use super::super::fragments::tests::{LIMITS, Rig};
use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread;

/// For threads, which may be held up.
const PATIENT: Limits = Limits {
    max_age: Duration::from_secs(600),
    join_max: Duration::from_secs(600),
    ..LIMITS
};

/// A sink that keeps the numbers of what it is offered, and says that it can't go on when told to.
#[derive(Default)]
struct Kept {
    numbers: Mutex<Vec<u64>>,
    skipped: Mutex<u64>,
    /// Every so many offers it says that its thread has to go on; 0: never.
    blocks_every: usize,
    panics_at: Option<u64>,
}

impl Sink for Kept {
    fn try_send(&self, batch: &Batch, _: &mut Vec<u8>) -> bool {
        let numbers = batch.fragments.iter().map(|f| f.time_90k);
        assert!(
            self.panics_at.is_none_or(|at| numbers.clone().all(|n| n < at)),
            "told to panic"
        );
        *self.skipped.lock().unwrap() += batch.skipped;
        let mut kept = self.numbers.lock().unwrap();
        kept.extend(numbers);
        self.blocks_every == 0 || kept.len() % self.blocks_every != 0
    }
}

/// Follows until the ring is closed, as a client's thread does.
fn follow(ring: &Ring, sink: &Arc<Kept>) {
    let mut follower = Follower::shared(ring, false, Arc::clone(sink) as Arc<dyn Sink>);
    loop {
        match follower.next(Duration::from_millis(20)) {
            Next::Batch(batch) => _ = sink.try_send(batch, &mut Vec::new()),
            Next::Blocked | Next::Notified | Next::Called | Next::TimedOut => {}
            Next::Broken | Next::Closed => return,
        }
    }
}

/// Pushes the first key frame and waits until all have it: a newcomer that is held up starts on a later one.
fn start(ring: &Ring, rig: &mut Rig, sinks: &[Arc<Kept>]) {
    ring.push(rig.fragment(true, 100));
    while sinks.iter().any(|sink| sink.numbers.lock().unwrap().is_empty()) {
        thread::yield_now();
    }
}

fn play_to(ring: &Ring, sinks: &[Arc<Kept>], fragments: u64) {
    let mut rig = Rig::new(LIMITS);
    thread::scope(|scope| {
        for sink in sinks {
            scope.spawn(|| follow(ring, sink));
        }
        start(ring, &mut rig, sinks);
        for number in 1..fragments {
            ring.push(rig.fragment(number % 10 == 0, 100));
            if number % 7 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        ring.close();
    });
}

#[test]
fn every_follower_gets_every_fragment_whoever_offers_it() {
    let ring = Ring::new(PATIENT);
    let holding = |number: usize| Kept {
        blocks_every: number % 4,
        ..Kept::default()
    };
    let sinks: Vec<_> = (0..40).map(|number| Arc::new(holding(number))).collect();
    play_to(&ring, &sinks, 300);
    let all: Vec<u64> = (0..300).collect();
    for sink in sinks {
        assert_eq!(
            (&*sink.numbers.lock().unwrap(), *sink.skipped.lock().unwrap()),
            (&all, 0)
        );
    }
    let state = ring.lock();
    assert!(
        state.parked.iter().count() == 0 && state.parked.senders == 0,
        "nobody is left parked"
    );
}

/// Where it takes long to send to all, the thread that sends does not do it alone.
#[test]
fn another_thread_helps_where_sending_takes_long() {
    /// Takes longer than a thread sends alone, and once it has sent a while goes on only when a second thread sends.
    #[derive(Default)]
    struct Crowd {
        senders: Mutex<Vec<thread::ThreadId>>,
        sends: AtomicUsize,
    }
    impl Sink for Arc<Crowd> {
        fn try_send(&self, _: &Batch, _: &mut Vec<u8>) -> bool {
            let own = thread::current().id();
            let mut senders = self.senders.lock().unwrap();
            if !senders.contains(&own) {
                senders.push(own);
            }
            drop(senders);
            thread::sleep(Duration::from_millis(3));
            let is_late = self.sends.fetch_add(1, SeqCst) > 5;
            while is_late && self.senders.lock().unwrap().len() < 2 {
                thread::yield_now();
            }
            true
        }
    }
    let ring = Ring::new(PATIENT);
    let crowd = Arc::new(Crowd::default());
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let sink = Arc::new(Arc::clone(&crowd));
                let mut follower = Follower::shared(&ring, false, sink);
                while !matches!(follower.next(Duration::from_secs(600)), Next::Closed) {}
            });
        }
        while ring.lock().parked.iter().count() < 40 {
            thread::yield_now();
        }
        ring.push(Rig::new(LIMITS).fragment(true, 10));
        while crowd.sends.load(SeqCst) < 40 {
            thread::yield_now();
        }
        ring.close();
    });
    assert!(crowd.senders.lock().unwrap().len() > 1);
}

#[test]
fn a_panic_in_a_sink_costs_no_other_follower_a_fragment() {
    let ring = Arc::new(Ring::new(PATIENT));
    let good: Vec<_> = (0..20).map(|_| Arc::new(Kept::default())).collect();
    // It panics in the thread of whoever offers to it, and that thread's client is lost with it.
    let bad = Arc::new(Kept {
        panics_at: Some(50),
        ..Kept::default()
    });
    let lost = {
        let ring = Arc::clone(&ring);
        let bad = Arc::clone(&bad);
        let good = good.clone();
        let all: Vec<_> = good.iter().chain([&bad]).map(Arc::clone).collect();
        let mut threads: Vec<_> = good
            .into_iter()
            .map(|sink| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || follow(&ring, &sink))
            })
            .collect();
        let to_bad = Arc::clone(&ring);
        threads.push(thread::spawn(move || follow(&to_bad, &bad)));
        let mut rig = Rig::new(LIMITS);
        start(&ring, &mut rig, &all);
        for number in 1..200 {
            ring.push(rig.fragment(number % 10 == 0, 100));
            thread::sleep(Duration::from_micros(200));
        }
        ring.close();
        threads
            .into_iter()
            .map(|t| usize::from(t.join().is_err()))
            .sum::<usize>()
    };
    assert_eq!(lost, 1, "the thread that offered, and no other");
    let all: Vec<u64> = (0..200).collect();
    let whole = good
        .iter()
        .filter(|sink| *sink.numbers.lock().unwrap() == all)
        .count();
    assert!(whole >= 19, "{whole} of 20 got everything");
}

#[test]
fn a_thread_that_is_elsewhere_keeps_nobody_waiting() {
    let ring = Ring::new(PATIENT);
    let sink = Arc::new(Kept {
        blocks_every: 1,
        ..Kept::default()
    });
    let mut elsewhere = Follower::shared(&ring, false, Arc::new(Kept::default()));
    assert!(matches!(elsewhere.next(Duration::ZERO), Next::TimedOut));
    let (sender, offered) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut follower = Follower::shared(&ring, false, Arc::clone(&sink) as Arc<dyn Sink>);
            let held = matches!(follower.next(Duration::from_secs(60)), Next::Blocked);
            sender.send(held).unwrap();
        });
        let parked = || ring.lock().parked.iter().count() == 1;
        while !parked() {
            thread::yield_now();
        }
        ring.push(Rig::new(LIMITS).fragment(true, 10));
        let offered = offered.recv();
        ring.close();
        assert_eq!(offered, Ok(true), "the one that waits is offered the fragment");
    });
}

/// A call is not missed, whether the thread waits, is elsewhere, or has something to send.
#[test]
fn a_call_reaches_each_follower_once() {
    let mut rig = Rig::new(LIMITS);
    let ring = Ring::new(PATIENT);
    let sink = Arc::new(Kept::default());
    let mut follower = Follower::shared(&ring, false, Arc::clone(&sink) as Arc<dyn Sink>);
    ring.notify_followers();
    ring.push(rig.fragment(true, 10));
    assert!(matches!(follower.next(Duration::ZERO), Next::Notified));
    assert!(matches!(follower.next(Duration::ZERO), Next::Batch(_)));
    assert!(matches!(follower.next(Duration::ZERO), Next::TimedOut));
    let mut newcomer = Follower::shared(&ring, true, Arc::new(Kept::default()));
    assert!(matches!(newcomer.next(Duration::ZERO), Next::TimedOut));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            assert!(matches!(follower.next(Duration::from_secs(60)), Next::Blocked));
            assert!(matches!(follower.next(Duration::from_secs(60)), Next::Notified));
            assert!(sink.numbers.lock().unwrap().is_empty(), "the call goes before");
        });
        while ring.lock().parked.iter().count() == 0 {
            thread::yield_now();
        }
        ring.notify_followers();
        ring.push(rig.fragment(true, 10));
        waiting.join().unwrap();
    });
}

/// A ring that gives more than can be sent does not keep a thread from its own client.
#[test]
fn who_serves_without_end_returns_in_time() {
    struct Endless {
        ring: Arc<Ring>,
        rig: Mutex<Rig>,
        gone: AtomicBool,
    }
    impl Sink for Endless {
        fn try_send(&self, _: &Batch, _: &mut Vec<u8>) -> bool {
            let fragment = self.rig.lock().unwrap().fragment(true, 10);
            if !self.gone.load(SeqCst) {
                self.ring.push(fragment);
            }
            true
        }
    }
    let sink = Arc::new(Endless {
        ring: Arc::new(Ring::new(LIMITS)),
        rig: Mutex::new(Rig::new(LIMITS)),
        gone: AtomicBool::new(false),
    });
    let (sender, returned) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let for_ring = Arc::clone(&sink) as Arc<dyn Sink>;
            let mut follower = Follower::shared(&sink.ring, false, for_ring);
            while matches!(follower.next(Duration::from_millis(50)), Next::Batch(_)) {}
            sender.send(()).unwrap();
        });
        scope.spawn(|| {
            while !sink.gone.load(SeqCst) {
                sink.try_send(&Batch::default(), &mut Vec::new());
                thread::sleep(Duration::from_millis(10));
            }
        });
        let returned = returned.recv_timeout(Duration::from_secs(40));
        sink.gone.store(true, SeqCst);
        sink.ring.close();
        assert_eq!(returned, Ok(()));
    });
}

/// A call is not missed, whether the thread waits, sends or is elsewhere, and costs no fragment.
#[test]
fn a_thread_is_called_for_its_own_client() {
    let ring = Ring::new(PATIENT);
    let (sink, called) = (Arc::new(Kept::default()), AtomicUsize::new(0));
    let mut rig = Rig::new(LIMITS);
    let mut follower = Follower::shared(&ring, false, Arc::clone(&sink) as Arc<dyn Sink>);
    let wake = follower.wake();
    // This one is not called.
    let mut other = Follower::shared(&ring, false, Arc::new(Kept::default()));
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                match follower.next(Duration::from_secs(600)) {
                    Next::Batch(batch) => _ = sink.try_send(batch, &mut Vec::new()),
                    Next::Called => _ = called.fetch_add(1, SeqCst),
                    Next::Notified | Next::Blocked => {}
                    Next::Broken | Next::TimedOut => panic!("too soon"),
                    Next::Closed => return,
                }
            }
        });
        for number in 0..50 {
            ring.call(&wake);
            // Now before the push, now after it.
            while number % 2 == 0 && called.load(SeqCst) <= number / 2 {
                thread::yield_now();
            }
            ring.push(rig.fragment(number == 0, 100));
        }
        let before = called.load(SeqCst);
        ring.call(&wake);
        while called.load(SeqCst) == before {
            thread::yield_now();
        }
        ring.close();
    });
    assert_eq!(*sink.numbers.lock().unwrap(), (0..50).collect::<Vec<u64>>());
    while !matches!(other.next(Duration::ZERO), Next::Closed) {}
    let called = called.into_inner();
    assert!((26..=51).contains(&called), "{called}");
}

/// A thread that is to go while another one sends for it goes when that is done: nobody is at the sink then.
#[test]
fn nobody_is_at_the_sink_of_a_thread_that_goes() {
    struct Slow {
        offered: std::sync::mpsc::Sender<()>,
        go_on: Mutex<std::sync::mpsc::Receiver<()>>,
    }
    impl Sink for Slow {
        fn try_send(&self, _: &Batch, _: &mut Vec<u8>) -> bool {
            self.offered.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
            true
        }
    }
    let (offered, is_offered) = std::sync::mpsc::channel();
    let (go, go_on) = std::sync::mpsc::channel();
    let slow = Arc::new(Slow {
        offered,
        go_on: Mutex::new(go_on),
    });
    let ring = Ring::new(PATIENT);
    let mut follower = Follower::shared(&ring, false, slow);
    let wake = follower.wake();
    thread::scope(|scope| {
        // It sends, as it is due first.
        let ring = &ring;
        scope.spawn(move || {
            let mut follower = Follower::shared(ring, false, Arc::new(Kept::default()));
            while !matches!(follower.next(Duration::from_secs(60)), Next::Closed) {}
        });
        let parked = |count| {
            while ring.lock().parked.iter().count() < count {
                thread::yield_now();
            }
        };
        parked(1);
        let going = scope.spawn(move || {
            matches!(follower.next(Duration::from_secs(60)), Next::Blocked)
                && matches!(follower.next(Duration::from_secs(60)), Next::Called)
        });
        parked(2);
        ring.push(Rig::new(LIMITS).fragment(true, 10));
        is_offered.recv().unwrap();
        ring.call(&wake);
        let handback_requested = || ring.lock().parked.iter().any(|parked| parked.handback_requested);
        while !handback_requested() {
            thread::yield_now();
        }
        assert!(!going.is_finished());
        go.send(()).unwrap();
        assert!(going.join().unwrap());
        ring.close();
    });
}

#[test]
fn a_closed_ring_ends_its_followers_after_what_it_holds() {
    let mut rig = Rig::new(LIMITS);
    let ring = Ring::new(PATIENT);
    let mut follower = Follower::shared(&ring, false, Arc::new(Kept::default()));
    ring.push(rig.fragment(true, 10));
    ring.close();
    assert!(matches!(follower.next(Duration::ZERO), Next::Batch(batch) if batch.fragments.len() == 1));
    assert!(matches!(follower.next(Duration::from_secs(60)), Next::Closed));
}

/// What a follower gets that pulls in a thread of its own, until the ring is closed; `pause` is what it does with each
/// batch. `made` is passed once the follower is there.
fn pull(ring: &Ring, pause: Duration, made: &Barrier) -> Vec<u64> {
    let mut follower = Follower::new(ring, false);
    made.wait();
    let mut numbers = Vec::new();
    loop {
        match follower.next(Duration::from_secs(60)) {
            Next::Batch(batch) => {
                assert_eq!(batch.skipped, 0);
                numbers.extend(batch.fragments.iter().map(|f| f.time_90k));
                thread::sleep(pause);
            }
            Next::Closed => return numbers,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn who_pulls_gets_every_fragment_and_sends_for_nobody() {
    /// Fails if any but its own thread sends by it.
    struct Own(thread::ThreadId, Arc<Kept>);
    impl Sink for Own {
        fn try_send(&self, batch: &Batch, room: &mut Vec<u8>) -> bool {
            assert_eq!(thread::current().id(), self.0);
            self.1.try_send(batch, room)
        }
    }
    let ring = Ring::new(PATIENT);
    let all: Vec<u64> = (0..300).collect();
    let made = Barrier::new(5);
    thread::scope(|scope| {
        let pulling = [0, 1, 5].map(|ms| {
            let (ring, made) = (&ring, &made);
            scope.spawn(move || pull(ring, Duration::from_millis(ms), made))
        });
        let shared = scope.spawn(|| {
            let kept = Arc::new(Kept::default());
            let sink = Arc::new(Own(thread::current().id(), Arc::clone(&kept)));
            let mut follower = Follower::shared(&ring, false, Arc::clone(&sink) as Arc<dyn Sink>);
            made.wait();
            loop {
                match follower.next(Duration::from_secs(60)) {
                    Next::Batch(batch) => _ = sink.try_send(batch, &mut Vec::new()),
                    Next::Closed => return kept.numbers.lock().unwrap().clone(),
                    other => panic!("{other:?}"),
                }
            }
        });
        made.wait();
        let mut rig = Rig::new(LIMITS);
        for number in 0..300 {
            // The last group is never too old or too large for who is held up.
            ring.push(rig.fragment(number == 0, 10));
            if number % 7 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        ring.close();
        for thread in pulling {
            assert_eq!(thread.join().unwrap(), all);
        }
        assert_eq!(shared.join().unwrap(), all);
    });
    let state = ring.lock();
    assert_eq!((state.pulling, state.parked.senders), (0, 0));
}

#[test]
fn who_waits_to_pull_is_woken_by_all_that_happens() {
    let ring = Ring::new(PATIENT);
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        assert!(matches!(
            Follower::new(&ring, false).next(timeout),
            Next::TimedOut
        ));
    }
    let (sender, woken) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut follower = Follower::new(&ring, false);
            loop {
                let name = match follower.next(Duration::from_secs(600)) {
                    Next::Batch(_) => "batch",
                    Next::Notified => "notified",
                    Next::Closed => "closed",
                    other => panic!("{other:?}"),
                };
                sender.send(name).unwrap();
                if name == "closed" {
                    return;
                }
            }
        });
        let waits = || {
            while ring.lock().pulling == 0 {
                thread::yield_now();
            }
        };
        let happened = || woken.recv_timeout(Duration::from_secs(60)).unwrap();
        let mut rig = Rig::new(LIMITS);
        waits();
        // What it can't start on is nothing.
        ring.push(rig.fragment(false, 10));
        ring.push(rig.fragment(true, 10));
        assert_eq!(happened(), "batch");
        waits();
        ring.notify_followers();
        assert_eq!(happened(), "notified");
        waits();
        ring.close();
        assert_eq!(happened(), "closed");
    });
}

/// The age law holds for who pulls, too: who was too slow learns how much it lost, and goes on with a key frame.
#[test]
fn who_pulls_too_slowly_jumps() {
    let ring = Ring::new(Limits {
        max_age: Duration::ZERO,
        ..PATIENT
    });
    let mut rig = Rig::new(LIMITS);
    let mut follower = Follower::new(&ring, false);
    ring.push(rig.fragment(true, 10));
    assert!(matches!(follower.next(Duration::ZERO), Next::Batch(batch) if batch.fragments.len() == 1));
    ring.push(rig.fragment(false, 10));
    thread::sleep(Duration::from_millis(1));
    match follower.next(Duration::ZERO) {
        Next::Batch(batch) => {
            assert_eq!(
                (batch.fragments.len(), batch.skipped, batch.needs_key_frame),
                (0, 1, true)
            );
        }
        other => panic!("{other:?}"),
    }
    ring.push(rig.fragment(true, 10));
    match follower.next(Duration::ZERO) {
        Next::Batch(batch) => assert_eq!((batch.fragments[0].time_90k, batch.skipped), (2, 0)),
        other => panic!("{other:?}"),
    }
}
