//! One portable source, compiled for several instruction sets. The best one is chosen at run time.
//!
//! [`versions!`](crate::versions) compiles one always-inlined body for AVX-512, AVX2 and the baseline, and LLVM vectorises it.
//! Bodies use only `+ - * /`, `sqrt`, comparisons and integer operations, so all versions give the same bits. Only matrix
//! products use `multiply_add`, which is twice as fast.

use crate::core::error::Result;
use crate::device::cpu::real::Real;
use crate::device::environment::choice;
use std::sync::OnceLock;

/// An instruction set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The instructions that every machine of the target has.
    Baseline,
    /// 256-bit vectors and fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

/// The best instruction set of this machine. The environment variable `IVON_SIMD=baseline|avx2|avx512` lowers it.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        // `variables::check` rejects unknown values.
        wanted().ok().flatten().unwrap_or(Level::Avx512).min(detected())
    })
}

/// The level that the environment variable requests.
pub(crate) fn wanted() -> Result<Option<Level>> {
    choice("IVON_SIMD", &[("baseline", Level::Baseline), ("avx2", Level::Avx2), ("avx512", Level::Avx512)])
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    // Each level includes the lower ones.
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    if avx512 {
        Level::Avx512
    } else if avx2 {
        Level::Avx2
    } else {
        Level::Baseline
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Level {
    Level::Baseline
}

/// A [`Level`] as a type, for code that must differ between levels.
///
/// # Safety
/// A function that is generic over it may use its instructions. Only code that runs on that level may name the type, such as the
/// bodies of [`versions!`](crate::versions).
pub unsafe trait Instructions {
    /// The level.
    const LEVEL: Level;
}

/// The types that implement [`Instructions`].
pub mod set {
    use super::{Instructions, Level};

    macro_rules! sets {
        ($($name:ident),*) => {$(
            #[doc = concat!("[`Level::", stringify!($name), "`].")]
            #[derive(Debug)]
            pub enum $name {}

            // SAFETY: the type has the name of its level, so code that runs on the level of the type has its instructions.
            unsafe impl Instructions for $name {
                const LEVEL: Level = Level::$name;
            }
        )*};
    }
    sets!(Baseline, Avx2, Avx512);
}

/// x y + z, rounded once if the level has an instruction for it, otherwise twice.
#[inline(always)]
pub(crate) fn multiply_add<Set: Instructions, E: Real>(x: E, y: E, z: E) -> E {
    if Set::LEVEL >= Level::Avx2 { x.mul_add(y, z) } else { x * y + z }
}

/// Compiles a function for every [`Level`] and calls the best one. Generic functions are allowed. All functions that the body
/// calls must be `#[inline(always)]`, so that they are compiled for the level too. In the body, the type `Set` is the level
/// ([`Instructions`]).
#[macro_export]
macro_rules! versions {
    (
        $(#[$attribute:meta])*
        $vis:vis fn $name:ident $(<{ $($generics:tt)* } { $($names:tt)* }>)? ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$attribute])*
        $vis fn $name $(<$($generics)*>)? ($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters)]
            fn body<Set: $crate::simd::Instructions $(, $($generics)*)?>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
            fn avx512 $(<$($generics)*>)? ($($arg: $ty),*) $(-> $ret)? {
                body::<$crate::simd::set::Avx512 $(, $($names)*)?>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$($generics)*>)? ($($arg: $ty),*) $(-> $ret)? {
                body::<$crate::simd::set::Avx2 $(, $($names)*)?>($($arg),*)
            }
            match $crate::simd::level() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `level` returns this value only if the machine has the features for which the function is compiled.
                $crate::simd::Level::Avx512 => unsafe { avx512 $(::<$($names)*>)? ($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above; a machine of a higher level has these features too.
                $crate::simd::Level::Avx2 => unsafe { avx2 $(::<$($names)*>)? ($($arg),*) },
                _ => body::<$crate::simd::set::Baseline $(, $($names)*)?>($($arg),*),
            }
        }
    };
}
