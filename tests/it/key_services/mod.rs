//! Services that hold provider keys: the real ones, and what happens when they are away or refuse.

#[cfg(feature = "aws-kms")]
mod kms;
#[cfg(not(feature = "aws-kms"))]
mod kms_absent;
#[cfg(feature = "aws-kms")]
mod kms_server;
