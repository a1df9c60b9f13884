//! The reader of `ddb import`: every item is read or is named in an error.

#![no_main]

use std::cell::RefCell;
use std::io::{BufReader, Cursor};

use cruddur_core::ddb::Table;
use cruddur_core::ddb::import::{ImportOptions, OnError};
use cruddur_core::target::{Inputs, Target};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static TABLE: RefCell<(Runtime, Table)> = RefCell::new({
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let target = Target::resolve(Inputs::default());
        let table = runtime.block_on(Table::connect(&target)).expect("a table");
        (runtime, table)
    });
}

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|&byte| byte == b'\n').count() as u64;
    let source = BufReader::new(Cursor::new(bytes.to_vec()));
    // A dry run reads and checks, and sends nothing.
    let options = ImportOptions {
        on_error: OnError::Continue,
        dry_run: true,
        ..ImportOptions::default()
    };
    TABLE.with_borrow(|(runtime, table)| {
        let imported = runtime.block_on(table.import(source, &options, &mut |_| {}));
        assert!(
            imported
                .bad
                .iter()
                .all(|bad| (1..=lines).contains(&bad.line))
        );
        // An array may have several items in a line.
        assert!(imported.read <= bytes.len() as u64);
        assert_eq!(imported.read, imported.written + imported.bad_total);
    });
});
