//! A client whose requests are measured.

use reqwest::{Client, RequestBuilder, Response};

use crate::flight::RequestInFlight;

/// A `reqwest::Client` whose requests are counted and timed under a name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MeteredClient {
    client: Client,
    name: &'static str,
}

impl MeteredClient {
    /// Measures the requests sent through `client`; `name` becomes the label `client`.
    #[must_use]
    pub const fn new(client: Client, name: &'static str) -> Self {
        Self { client, name }
    }

    /// The client to build requests with, for [`MeteredClient::execute`]. Requests sent through it
    /// directly are not measured.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request; `operation` names its purpose and becomes a label.
    ///
    /// The measurement ends with the head of the response; the caller reads the body.
    ///
    /// # Errors
    /// Those of reqwest. A request that cannot be built is not sent, and so is not counted.
    pub async fn execute(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> reqwest::Result<Response> {
        let request = request.build()?;
        let flight = RequestInFlight::start(self.name, operation);
        let result = self.client.execute(request).await;
        flight.end(&result);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::recorder::TestRecorder;
    use crate::{REQUEST_DURATION_SECONDS, REQUESTS_IN_FLIGHT, REQUESTS_TOTAL};

    /// Long enough that only a broken test waits for it.
    const TEST_TIMEOUT: Duration = Duration::from_secs(10);

    fn metered(timeout: Duration) -> MeteredClient {
        // A second installation is refused, which is harmless: the tests share one process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .timeout(timeout)
            .build()
            .expect("a client");
        MeteredClient::new(client, "drive")
    }

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// Accepts one connection and reads the head of its request.
    async fn accept(listener: &TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a byte of the head"));
        }
        stream
    }

    async fn get(client: &MeteredClient, address: SocketAddr) -> reqwest::Result<Response> {
        client
            .execute(
                "fetch",
                client.client().get(format!("http://{address}/secret/path")),
            )
            .await
    }

    fn outcomes(recorder: &TestRecorder, status: &str) -> u64 {
        recorder.counter(
            REQUESTS_TOTAL,
            &[
                ("client", "drive"),
                ("operation", "fetch"),
                ("status", status),
            ],
        )
    }

    fn in_flight(recorder: &TestRecorder) -> f64 {
        recorder.gauge(
            REQUESTS_IN_FLIGHT,
            &[("client", "drive"), ("operation", "fetch")],
        )
    }

    fn durations(recorder: &TestRecorder) -> usize {
        recorder
            .histogram(
                REQUEST_DURATION_SECONDS,
                &[("client", "drive"), ("operation", "fetch")],
            )
            .len()
    }

    #[tokio::test]
    async fn a_response_is_counted_by_its_status_and_timed() {
        let recorder = TestRecorder::default();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let (listener, address) = listen().await;
        let client = metered(TEST_TIMEOUT);
        let serve = async {
            let mut stream = accept(&listener).await;
            assert_eq!(in_flight(&recorder), 1.0);
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("an answer");
            stream
        };
        let (response, _stream) = tokio::join!(get(&client, address), serve);
        assert_eq!(response.expect("a response").status(), 404);
        assert_eq!((outcomes(&recorder, "404"), durations(&recorder)), (1, 1));
        assert_eq!(in_flight(&recorder), 0.0);
    }

    #[tokio::test]
    async fn a_dropped_request_leaves_the_gauge_at_zero_and_counts_as_cancelled() {
        let recorder = TestRecorder::default();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let (listener, address) = listen().await;
        let client = metered(TEST_TIMEOUT);
        let asked = async {
            let stream = accept(&listener).await;
            assert_eq!(in_flight(&recorder), 1.0);
            stream
        };
        // The branch that completes drops the other one, the request in flight.
        let _stream = tokio::select! {
            response = get(&client, address) => panic!("the server does not answer, but the client got {response:?}"),
            stream = asked => stream,
        };
        assert_eq!(
            (outcomes(&recorder, "cancelled"), durations(&recorder)),
            (1, 1)
        );
        assert_eq!(in_flight(&recorder), 0.0);
    }

    #[tokio::test]
    async fn a_silent_server_counts_as_a_timeout() {
        let recorder = TestRecorder::default();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let (listener, address) = listen().await;
        let error = get(&metered(Duration::from_millis(50)), address)
            .await
            .expect_err("a timeout");
        assert!(error.is_timeout());
        assert_eq!(
            (outcomes(&recorder, "timeout"), in_flight(&recorder)),
            (1, 0.0)
        );
        drop(listener);
    }

    #[tokio::test]
    async fn a_closed_port_counts_as_connect_and_a_broken_answer_as_error() {
        let recorder = TestRecorder::default();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let (listener, address) = listen().await;
        let client = metered(TEST_TIMEOUT);
        let serve = async {
            let mut stream = accept(&listener).await;
            stream
                .write_all(b"this is not HTTP\r\n\r\n")
                .await
                .expect("an answer");
            stream
        };
        let (broken, _stream) = tokio::join!(get(&client, address), serve);
        assert!(broken.is_err());
        drop(listener);
        assert!(
            get(&client, address)
                .await
                .expect_err("refused")
                .is_connect()
        );
        assert_eq!(
            (outcomes(&recorder, "error"), outcomes(&recorder, "connect")),
            (1, 1)
        );
        assert_eq!((in_flight(&recorder), durations(&recorder)), (0.0, 2));
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_built_is_not_counted() {
        let recorder = TestRecorder::default();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let client = metered(TEST_TIMEOUT);
        let result = client.execute("fetch", client.client().get("no url")).await;
        assert!(result.expect_err("no request").is_builder());
        assert_eq!(durations(&recorder), 0);
    }
}
