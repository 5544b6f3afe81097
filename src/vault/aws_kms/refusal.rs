//! Why AWS KMS did not do what it was asked: what it answers, and what never reached it.

use std::error::Error;
use std::iter;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use super::super::provider::Fault;

/// Most characters of what somebody else wrote in a text for the operator.
const LONGEST_QUOTE: usize = 300;
const NEEDED: &str = "needed on the key are kms:Encrypt, kms:Decrypt and kms:ReEncrypt*";

pub(super) fn fault<E: ProvideErrorMetadata + Error + 'static>(error: SdkError<E>) -> Fault {
    if let SdkError::ServiceError(refused) = &error {
        let answer = refused.err();
        return refusal(
            refused.raw().status().as_u16(),
            answer.code().unwrap_or_default(),
            answer.message().unwrap_or_default(),
        );
    }
    let first: &(dyn Error + 'static) = &error;
    let causes: Vec<_> = iter::successors(Some(first), |&cause| cause.source()).collect();
    let text = quote(&causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(": "));
    match causes.iter().find_map(|cause| cause.downcast_ref()) {
        Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => {
            Fault::Denied(format!("there are no usable AWS credentials: {text}"))
        }
        _ => Fault::Unavailable(text),
    }
}

/// What KMS answers instead of doing it. Its message is quoted only where it names the missing permission: that of a wrong
/// signature repeats what was signed, with the session's token.
fn refusal(status: u16, code: &str, message: &str) -> Fault {
    let name = if code.is_empty() { format!("HTTP {status}") } else { quote(code) };
    match code {
        "InvalidCiphertextException" => {
            Fault::Corrupt(format!("changed, or wrapped for another place or with another key ({name})"))
        }
        "IncorrectKeyException" => Fault::Corrupt(format!("wrapped with another key ({name})")),
        "NotFoundException" => Fault::Corrupt(format!("AWS KMS has no such key there ({name})")),
        _ if !(400..500).contains(&status) || status == 429 || is_passing(code) => {
            Fault::Unavailable(format!("AWS KMS: {name}"))
        }
        "AccessDeniedException" => Fault::Denied(format!("AWS KMS: {name}: {}; {NEEDED}", quote(message))),
        "DisabledException" | "KMSInvalidStateException" => Fault::Denied(format!(
            "AWS KMS: {name}: the key is disabled or about to be deleted; enable it, or cancel its deletion"
        )),
        _ => Fault::Denied(format!("AWS KMS: {name}; needed are valid credentials and a symmetric key, and {NEEDED}")),
    }
}

/// Errors that KMS answers with 400 or 500, and that pass.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException"
            | "LimitExceededException"
            | "DependencyTimeoutException"
            | "KeyUnavailableException"
            | "KMSInternalException"
    )
}

/// The first line of what somebody else wrote, as far as it is short.
fn quote(text: &str) -> String {
    text.chars().take_while(|c| !c.is_control()).take(LONGEST_QUOTE).collect()
}

/// An answer that is none of KMS.
pub(super) fn malformed(what: &str) -> Fault {
    Fault::Unavailable(format!("what answers is not AWS KMS: {what}"))
}
