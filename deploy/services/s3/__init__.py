"""A server that speaks S3: SeaweedFS, by pip."""

from deploy.services.s3.server import ENVIRON, S3Server

__all__ = ["ENVIRON", "S3Server"]
