//! The table of tests/faults.md names tests that exist.

use super::lines::root;

#[test]
fn every_test_of_the_table_of_faults_exists() {
    let page = std::fs::read_to_string(root().join("tests/faults.md")).unwrap();
    let (mut count, mut missing) = (0, vec![]);
    for row in page.lines().filter(|line| line.starts_with('|')).skip(2) {
        // A bar within a cell is written with a backslash.
        let cells: Vec<String> = row.replace("\\|", " ").split('|').map(|cell| cell.trim().to_string()).collect();
        let [_, _, _, _, krate, test, _] = cells.as_slice() else { panic!("a row has five cells: {row}") };
        let function = format!("fn {}()", test.trim_matches('`'));
        let files = glob::glob(&root().join(krate).join("**/*.rs").to_string_lossy()).unwrap().map(Result::unwrap);
        count += 1;
        if !files.filter(|file| file.is_file()).any(|file| std::fs::read_to_string(file).unwrap().contains(&function)) {
            missing.push(format!("{krate} has no test {test}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(count > 40, "only {count} rows were read");
}
