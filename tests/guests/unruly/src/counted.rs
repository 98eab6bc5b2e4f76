//! Deeds that use exactly so much of something.

use std::io::Write;
use std::time::Duration;

use weir_sdk::delegate::Delegate;
use weir_sdk::log::{self, Level};
use weir_sdk::net::Netns;
use weir_sdk::{AddResult, Error, Request, Result, clock, state};

/// Do `deed` `count` times, or with something of this size.
pub(crate) fn add(request: &Request, deed: &str, count: usize) -> Result<AddResult> {
    match deed {
        "compute" => {
            for number in 0..count {
                std::hint::black_box(number);
            }
        }
        "pause" => clock::sleep(Duration::from_millis(count as u64)),
        "host-calls" => (0..count).for_each(|_| {
            clock::now();
        }),
        "message" => log::write(Level::Debug, &"x".repeat(count)),
        "messages-of-a-megabyte" => {
            let message = "x".repeat(1 << 20);
            (0..count).for_each(|_| log::write(Level::Debug, &message));
        }
        "lines" => (0..count).for_each(|_| log::write(Level::Error, "a line")),
        "pages" => grow_to(count),
        "pages-in-two-plugins" => {
            grow_to(count);
            call_itself(request, "pages", count)?;
        }
        "host-calls-in-two-plugins" => {
            call_itself(request, "host-calls", count)?;
            (0..count).for_each(|_| {
                clock::now();
            });
        }
        "handles" => {
            // No handle is given back before all are there.
            let held: Vec<_> = (0..count).map(|_| Netns::container()).collect();
            drop(held);
        }
        "result" => {
            let mut result = AddResult::default();
            result.dns.domain = "x".repeat(count);
            return Ok(result);
        }
        "nest" if count > 0 => call_itself(request, "nest", count.saturating_sub(1))?,
        "print" => {
            let mut output = std::io::stdout();
            let printed = output.write_all(&vec![b'x'; count]).and_then(|()| output.flush());
            printed.map_err(|error| Error::internal(format!("could not print {count} bytes: {error}")))?;
        }
        "document" => {
            let saved = state::save(None, &vec![b'x'; count]);
            saved.map_err(|failure| Error::internal(failure.message))?;
        }
        _ => {}
    }
    Ok(AddResult::default())
}

/// Have this many pages of memory, or panic.
fn grow_to(pages: usize) {
    #[cfg(target_arch = "wasm32")]
    {
        use std::arch::wasm32::{memory_grow, memory_size};
        let more = pages.saturating_sub(memory_size::<0>());
        assert_ne!(memory_grow::<0>(more), usize::MAX, "no more memory");
    }
    #[cfg(not(target_arch = "wasm32"))]
    std::hint::black_box(pages);
}

fn call_itself(request: &Request, deed: &str, count: usize) -> Result<()> {
    let network = &request.network;
    let config = format!(
        r#"{{"cniVersion": "1.1.0", "name": "{network}", "type": "unruly", "deed": "{deed}", "count": {count}}}"#
    );
    Delegate::plugin("unruly").add(&config).map(drop)
}
