//! Reads a body whole and makes something of it, within its bounds.
//!
//! A body takes memory before its request has a place in any queue. So all bodies that are being read or parsed share
//! one budget, and whoever finds it spent waits for a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Arc;

use axum::body::Body;
use backend::Image;
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::fetch::PictureFetch;
use crate::limits::{HttpLimits, INLINE_PARSE_MAX_BYTES};
use crate::validate::{Met, Pictures, picture_from_bytes};

/// The budget is counted in these.
const KIB: usize = 1024;

/// What bodies share.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// KiB that may still be taken.
    budget: Arc<Semaphore>,
    budget_kib: u32,
    /// Large bodies that may be parsed at one time, one for each core.
    parsers: Arc<Semaphore>,
    /// Brings the pictures that are elsewhere.
    fetch: PictureFetch,
}

impl Bodies {
    pub(crate) fn new(budget_bytes: usize, fetch: PictureFetch) -> Self {
        let budget_kib = kib(budget_bytes);
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { budget: semaphore(budget_kib as usize), budget_kib, parsers: semaphore(cores), fetch }
    }

    /// Reads a body, and makes of it what `parse` makes of it, on a thread for blocking work where that takes a while.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its part of the budget, or its place in the queue for one; a body that is already
    /// being parsed gives it up when that is over.
    pub(crate) async fn read<T, E>(
        &self,
        body: Body,
        limits: &HttpLimits,
        parse: impl FnOnce(&[u8]) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let (body, share) = self.whole(body, limits).await?;
        if body.len() <= INLINE_PARSE_MAX_BYTES {
            return parse(&body).map_err(Into::into);
        }
        self.aside(share, move || parse(&body)).await?.map_err(Into::into)
    }

    /// The same with a body that may have pictures in it. `parse` is asked twice where some of them have to be fetched.
    ///
    /// # Cancel safety
    /// As [`read`](Self::read); what is being fetched is given up.
    pub(crate) async fn read_with_pictures<T, E>(
        &self,
        body: Body,
        limits: &HttpLimits,
        parse: impl Fn(&[u8], &mut Pictures) -> Result<T, E> + Clone + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
    {
        let (body, share) = self.whole(body, limits).await?;
        let mut pictures = Pictures::new(self.fetch.is_on());
        if body.len() <= INLINE_PARSE_MAX_BYTES && !may_have_pictures(&body) {
            return parse(&body, &mut pictures).map_err(Into::into);
        }
        let share = Arc::new(share);
        let (first, bytes) = (parse.clone(), body.clone());
        let look = move || {
            let parsed = first(&bytes, &mut pictures);
            (parsed, pictures)
        };
        let (parsed, pictures) = self.aside(Arc::clone(&share), look).await?;
        let parsed = parsed.map_err(Into::into)?;
        let Some(met) = pictures.wanted() else { return Ok(parsed) };
        let known = self.bring(met, limits).await?;
        self.aside(share, move || parse(&body, &mut Pictures::again(known))).await?.map_err(Into::into)
    }

    /// What becomes of each picture, those of one URL together. All are fetched at the same time, so their time is that of one.
    async fn bring(&self, met: Vec<Met>, limits: &HttpLimits) -> Result<Vec<Result<Image, String>>, ApiError> {
        let urls: BTreeSet<&str> = met
            .iter()
            .filter_map(|met| match met {
                Met::Here(_) => None,
                Met::Elsewhere(url) => Some(url.as_str()),
            })
            .collect();
        let bring = async |url| Ok::<_, ApiError>((url, self.picture(url, limits).await?));
        let brought: BTreeMap<&str, Result<Image, String>> =
            try_join_all(urls.into_iter().map(bring)).await?.into_iter().collect();
        let known = met.iter().map(|met| match met {
            Met::Here(image) => Ok(image.clone()),
            Met::Elsewhere(url) => brought[url.as_str()].clone(),
        });
        Ok(known.collect())
    }

    async fn picture(&self, url: &str, limits: &HttpLimits) -> Result<Result<Image, String>, ApiError> {
        match self.fetch.file(url, limits).await {
            // The file stays among those that are held until it is unpacked.
            Ok(file) => self.aside((), move || picture_from_bytes(&file.bytes)).await,
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// All of a body, and its part of the budget.
    async fn whole(&self, body: Body, limits: &HttpLimits) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
        let max = limits.body_max_bytes;
        let announced = body.size_hint();
        // A client that announces too much is told so before it has sent it.
        if announced.lower() > max as u64 {
            return Err(ApiError::BodyTooLarge(max));
        }
        let most = announced.exact().map_or(max, |bytes| usize::try_from(bytes).unwrap_or(max));
        let share = self.share(most, limits).await?;
        Ok((read(body, limits).await?, share))
    }

    /// A part of the budget. A body that is larger than all of it takes all of it.
    async fn share(&self, bytes: usize, limits: &HttpLimits) -> Result<OwnedSemaphorePermit, ApiError> {
        let share = Arc::clone(&self.budget).acquire_many_owned(kib(bytes).min(self.budget_kib));
        match tokio::time::timeout(limits.body_read_timeout, share).await {
            Ok(share) => Ok(share.expect("the budget is never closed")),
            Err(_) => Err(ApiError::Busy),
        }
    }

    /// Parses on a thread for blocking work, which holds a part of the budget as long as it works.
    async fn aside<T: Send + 'static>(
        &self,
        share: impl Send + 'static,
        parse: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let parser = Arc::clone(&self.parsers).acquire_owned().await.expect("the parsers are never closed");
        let parsing = tokio::task::spawn_blocking(move || {
            let parsed = parse();
            // Here and not with the future: that may be dropped while this thread goes on.
            drop((share, parser));
            parsed
        });
        match parsing.await {
            Ok(parsed) => Ok(parsed),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that goes down takes work back.
                Err(_) => Err(ApiError::Refused(serving::Refusal::ShuttingDown)),
            },
        }
    }
}

async fn read(body: Body, limits: &HttpLimits) -> Result<Bytes, ApiError> {
    let (max, limit) = (limits.body_max_bytes, limits.body_read_timeout);
    match tokio::time::timeout(limit, Limited::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge(max)),
        Ok(Err(error)) => Err(ApiError::BodyBroken(error.to_string())),
        Err(_) => Err(ApiError::BodyTimeout(limit)),
    }
}

/// A few kilobytes can be a picture of millions of pixels, which takes a tenth of a second to unpack. The fields that hold
/// one have `image` in their names in every dialect, and JSON can only spell it differently with `\u`.
fn may_have_pictures(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"image").is_some() || memchr::memmem::find(body, b"\\u").is_some()
}

/// Rounded up, and at least 1.
fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(KIB).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::Body;
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::time::Instant;

    use super::{Bodies, KIB, kib};
    use crate::error::ApiError;
    use crate::fetch::PictureFetch;
    use crate::limits::{HttpLimits, INLINE_PARSE_MAX_BYTES};
    use crate::validate::{self, Chat};

    fn bodies(budget_bytes: usize) -> Bodies {
        Bodies::new(budget_bytes, PictureFetch::off())
    }

    fn limits() -> HttpLimits {
        HttpLimits { body_max_bytes: 4 * KIB, body_read_timeout: Duration::from_secs(2), ..HttpLimits::default() }
    }

    /// A chat whose body has about this many bytes.
    fn body(bytes: usize) -> String {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(bytes))
    }

    async fn chat(bodies: &Bodies, body: Body, limits: &HttpLimits) -> Result<Chat, ApiError> {
        bodies.read_with_pictures(body, limits, |body, pictures| validate::chat(body, 9, pictures)).await
    }

    /// Of unknown length, and without an end.
    fn endless() -> Body {
        Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())
    }

    /// Method: a body without an announced length takes what it may have at most, which is all there is.
    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_its_part_of_the_budget_and_not_for_ever() {
        let (bodies, limits) = (bodies(4 * KIB), limits());
        let begun = Instant::now();
        let (first, second) = tokio::join!(chat(&bodies, endless(), &limits), async {
            let limits = HttpLimits { body_read_timeout: Duration::from_secs(1), ..limits.clone() };
            chat(&bodies, body(9).into(), &limits).await
        });
        assert!(matches!(first, Err(ApiError::BodyTimeout(_))), "{first:?}");
        assert!(matches!(second, Err(ApiError::Busy)), "{second:?}");
        assert_eq!(begun.elapsed(), limits.body_read_timeout);
        assert!(chat(&bodies, body(9).into(), &limits).await.is_ok(), "the budget came back");
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_fit_the_budget_together_do_not_wait() {
        let (bodies, limits) = (bodies(5 * KIB), limits());
        let (endless, small) = tokio::join!(chat(&bodies, endless(), &limits), async {
            let begun = Instant::now();
            (chat(&bodies, body(9).into(), &limits).await, begun.elapsed())
        });
        assert!(matches!(endless, Err(ApiError::BodyTimeout(_))), "{endless:?}");
        assert!(matches!(small, (Ok(_), Duration::ZERO)), "{small:?}");
    }

    /// Method: the only thread for blocking work is held, so the parsing cannot begin before it is let go. A parser on the
    /// thread for tasks would be done at the first poll.
    #[test]
    fn a_large_body_is_parsed_on_a_thread_for_blocking_work_and_keeps_its_part_until_then() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            let (let_go, held) = std::sync::mpsc::channel::<()>();
            let holder = tokio::task::spawn_blocking(move || held.recv());
            let limits = HttpLimits { body_max_bytes: 1 << 20, ..limits() };
            let bodies = bodies(limits.body_max_bytes);
            let large = body(INLINE_PARSE_MAX_BYTES);
            let mut parsing = Box::pin(chat(&bodies, large.clone().into(), &limits));
            assert!(futures_util::poll!(parsing.as_mut()).is_pending(), "it was parsed on this thread");
            drop(parsing);
            assert!(
                bodies.budget.try_acquire_many(bodies.budget_kib).is_err(),
                "its part came back before it was parsed"
            );
            drop(let_go);
            holder.await.expect("it ends").expect_err("nothing was sent");
            let all = bodies.budget.acquire_many(bodies.budget_kib).await;
            assert!(all.is_ok(), "the thread gives the budget back although nobody waits for it");
            drop(all);
            assert!(chat(&bodies, large.into(), &limits).await.is_ok());
        });
    }

    /// Method: as above, with a body of a few bytes. The name of the field can be spelled out.
    #[test]
    fn a_body_that_may_hold_a_picture_is_parsed_there_however_small_it_is() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            let (let_go, held) = std::sync::mpsc::channel::<()>();
            let holder = tokio::task::spawn_blocking(move || held.recv());
            let (bodies, limits) = (bodies(4 * KIB), limits());
            let poll = async |text: &str| {
                let mut parsing = Box::pin(chat(&bodies, text.to_owned().into(), &limits));
                futures_util::poll!(parsing.as_mut()).is_pending()
            };
            assert!(!poll(r#"{"messages":[]}"#).await, "the only thread is held, and nothing waits for it");
            for field in ["image_url", "images", r"im\u0061ge_url"] {
                let text = format!(r#"{{"messages":[],"{field}":"data:"}}"#);
                assert!(poll(&text).await, "{field} was parsed on this thread");
            }
            drop(let_go);
            holder.await.expect("it ends").expect_err("nothing was sent");
        });
    }

    #[test]
    fn kib_are_rounded_up() {
        assert_eq!([0, 1, 1024, 1025].map(kib), [1, 1, 1, 2]);
    }
}
