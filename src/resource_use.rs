//! The resources that this process used. They are the last line of a run in the log, where `make bench` reads them.

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process alone (its threads, not the programs that it started), its largest memory, and the bytes
/// that it wrote to disks. Values that the kernel does not show are left out.
pub fn taken() -> String {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let micros = cpu.tv_sec * 1_000_000 + cpu.tv_nsec / 1000;
    let mut text = format!("took {micros} us of CPU");
    if let Some(kib) = number("/proc/self/status", "VmHWM:") {
        text.push_str(&format!(", at most {kib} KiB of memory"));
    }
    if let Some(bytes) = number("/proc/self/io", "write_bytes:") {
        text.push_str(&format!(", wrote {bytes} bytes"));
    }
    text
}

/// The number behind a name in one of the kernel's tables of this process.
fn number(file: &str, name: &str) -> Option<u64> {
    let table = std::fs::read_to_string(file).ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    /// Work shows in the figures.
    #[test]
    fn the_work_of_a_process_shows_in_its_figures() {
        let figure = |text: &str| text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).expect("a number");
        let before = figure(&super::taken());
        let sum = (0..3_000_000u64).fold(0u64, |a, b| std::hint::black_box(a ^ b));
        assert!(figure(&super::taken()) > before, "{sum}");
        assert!(super::taken().contains("KiB of memory"), "{}", super::taken());
    }
}
