use super::*;

/// A name that these lists lack gets no hint, and one that the runtime lacks a wrong one.
#[test]
fn the_lists_are_those_of_the_runtime() {
    let runtime = crate::expand::runtime_names().unwrap();
    let known: Vec<&str> = LAYERS.iter().chain(OPS).copied().collect();
    let listed = runtime.iter().map(String::as_str);
    assert_eq!(listed.filter(|name| !known.contains(name)).collect::<Vec<_>>(), [] as [&str; 0], "are not in the lists");
    let has = |name: &&str| runtime.iter().any(|other| other == name);
    assert_eq!(known.into_iter().filter(|name| !has(name)).collect::<Vec<_>>(), [] as [&str; 0], "are not in the runtime");
    assert_eq!(import("gelu", "::ivon_runtime").as_deref(), Some("use ivon_runtime::ops::gelu;"));
}
