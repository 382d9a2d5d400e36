//! The models.

use crate::device::cpu::team::run_stages;
use crate::device::cpu::threads::{Gate, TEAM, together};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `opener` beside so many helpers, in every order.
fn check(helpers: usize, preemptions: usize, opener: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let stop = Arc::new(AtomicBool::new(false));
        let helper = |_| {
            let stop = stop.clone();
            loom::thread::spawn(move || while TEAM.serve(|| stop.load(Ordering::SeqCst)) {})
        };
        let helpers: Vec<_> = (0..helpers).map(helper).collect();
        opener();
        stop.store(true, Ordering::SeqCst);
        TEAM.dismiss();
        helpers.into_iter().for_each(|helper| helper.join().unwrap());
    });
}

/// Numbers that are claimed by one thread each and written without a lock.
struct Pieces {
    next: AtomicUsize,
    places: Vec<UnsafeCell<usize>>,
}

// SAFETY: a place is written by the thread that has claimed its number, and read after the region. loom checks that.
unsafe impl Sync for Pieces {}

impl Pieces {
    fn new(count: usize) -> Pieces {
        Pieces { next: AtomicUsize::new(0), places: (0..count).map(|_| UnsafeCell::new(0)).collect() }
    }

    fn work(&self, value: usize) {
        while let Some(place) = self.places.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            // SAFETY: this thread alone has claimed the place.
            place.with_mut(|place| unsafe { *place += value });
        }
    }

    fn assert_all(&self, value: usize) {
        for place in &self.places {
            // SAFETY: the region is over.
            assert_eq!(place.with(|place| unsafe { *place }), value);
        }
    }
}

#[test]
fn no_wake_up_is_lost_at_a_gate() {
    loom::model(|| {
        let shared = Arc::new((Gate::new(), AtomicBool::new(false)));
        let other = shared.clone();
        let waiter = loom::thread::spawn(move || other.0.wait_until(|| other.1.load(Ordering::SeqCst)));
        shared.1.store(true, Ordering::SeqCst);
        shared.0.wake(1);
        waiter.join().unwrap();
    });
}

#[test]
fn helpers_work_on_their_own_region_and_are_out_when_it_returns() {
    check(1, 3, || {
        // Each job lies on this thread's stack and is gone when its region has returned.
        for value in 1..=2 {
            let pieces = Pieces::new(2);
            together(2, &|| pieces.work(value));
            pieces.assert_all(value);
        }
    });
}

#[test]
fn two_helpers_share_a_region() {
    check(2, 2, || {
        let pieces = Pieces::new(2);
        together(3, &|| pieces.work(1));
        pieces.assert_all(1);
    });
}

#[test]
fn a_second_opener_works_alone() {
    check(1, 2, || {
        let other = loom::thread::spawn(|| {
            let pieces = Pieces::new(1);
            together(2, &|| pieces.work(1));
            pieces.assert_all(1);
        });
        let pieces = Pieces::new(1);
        together(2, &|| pieces.work(2));
        pieces.assert_all(2);
        other.join().unwrap();
    });
}

#[test]
fn a_stage_begins_when_the_one_before_has_finished() {
    check(1, 2, || {
        let places: [Pieces; 2] = [Pieces::new(2), Pieces::new(1)];
        run_stages(
            2,
            2,
            |stage| 2 - stage,
            |stage, i| match stage {
                // SAFETY: each task has its own number.
                0 => places[0].places[i].with_mut(|place| unsafe { *place = 1 }),
                // SAFETY: the first stage has finished.
                _ => places[0].places.iter().for_each(|place| assert_eq!(place.with(|place| unsafe { *place }), 1)),
            },
        );
        places[0].assert_all(1);
    });
}
