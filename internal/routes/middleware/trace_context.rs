//! `traceparent` (W3C Trace Context): the trace that a request belongs to.

use http::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The ids in a `traceparent` of a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext<'a> {
    /// The trace: 32 hexadecimal digits.
    pub trace_id: &'a str,
    /// The caller's span: 16 hexadecimal digits.
    pub parent_id: &'a str,
}

impl<'a> TraceContext<'a> {
    /// Reads the header; `None` when it is not there or not well-formed, which is never an error.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut fields = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
        let (version, trace_id, parent_id, flags) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let last = fields.next().is_none();
        let known =
            is_hex(version, 2) && version != "ff" && is_hex(flags, 2) && (last || version != "00");
        let named = is_hex(trace_id, 32)
            && is_hex(parent_id, 16)
            && !is_zero(trace_id)
            && !is_zero(parent_id);
        (known && named).then_some(Self {
            trace_id,
            parent_id,
        })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|b| b == b'0')
}

#[cfg(test)]
mod tests {
    use super::TraceContext;
    use http::{HeaderMap, HeaderValue};

    fn trace(header: &'static str) -> Option<String> {
        let headers: HeaderMap = [(
            http::HeaderName::from_static("traceparent"),
            HeaderValue::from_static(header),
        )]
        .into_iter()
        .collect();
        TraceContext::of(&headers).map(|t| t.trace_id.to_owned())
    }

    #[test]
    fn a_well_formed_header_is_honoured_and_another_ignored() {
        assert_eq!(
            trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").as_deref(),
            Some("0af7651916cd43dd8448eb211c80319c")
        );
        assert!(trace("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later").is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }
}
