//! How far a running query has come with reading files.

use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

/// What the scans of a plan have read so far, and what there is to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Rows that came out of files, after filters.
    pub rows: usize,
    /// Bytes that were read; columns that nobody asked for are not.
    pub bytes: usize,
    /// Files, or parts of files, that were read or found to hold nothing asked for.
    pub files: usize,
    /// Files, or parts of files, in all.
    pub of_files: usize,
    /// Bytes of those files.
    pub of_bytes: u64,
}

impl Scanned {
    /// Looks at a plan, which may be running.
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut all = plan.children().into_iter().map(Self::of).fold(Self::default(), Self::and);
        if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
            all = all.and(Self::of_scan(scan));
        }
        all
    }

    fn of_scan(scan: &DataSourceExec) -> Self {
        let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else { return Self::default() };
        let files = config.file_groups.iter().flat_map(|group| group.iter());
        let (of_files, of_bytes) = files.fold((0, 0), |(n, bytes), file| (n + 1, bytes + file.effective_size()));
        let metrics = scan.metrics().unwrap_or_default();
        let count = |name| metrics.sum_by_name(name).map_or(0, |value| value.as_usize());
        Self {
            rows: metrics.output_rows().unwrap_or(0),
            bytes: count("bytes_scanned"),
            files: count("files_processed"),
            of_files,
            of_bytes,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
            files: self.files + other.files,
            of_files: self.of_files + other.of_files,
            of_bytes: self.of_bytes + other.of_bytes,
        }
    }
}
