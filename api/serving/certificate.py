"""The certificate of ``serve``: two files, checked before the server starts."""

import ssl

from api.serving.serve_settings import GivenOptions, WrongSetting
from api.settings import ApiSettings


def check_certificate(settings: ApiSettings, given: GivenOptions) -> None:
    """See that the certificate and its key can be used, if there are any.

    Raises:
        WrongSetting: one of the two is missing, can't be read, or is not the other's.
    """
    files = {"tls_cert": settings.tls_cert, "tls_key": settings.tls_key}
    missing = [name for name, file in files.items() if file is None]
    if len(missing) == 2:
        return
    if missing:
        (present,) = files.keys() - missing
        option = f"--{missing[0].replace('_', '-')}"
        raise WrongSetting(f"{given.name_of(present)}: {option} is needed as well")
    for name, file in files.items():
        try:
            assert file
            file.read_bytes()
        except OSError as error:
            raise WrongSetting(
                f"{given.name_of(name)}: can't read {file}: {error.strerror}"
            ) from None
    _load(settings, given)


def _load(settings: ApiSettings, given: GivenOptions) -> None:
    assert settings.tls_cert and settings.tls_key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password: OpenSSL would ask for one at the terminal.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except ssl.SSLError as error:
        raise WrongSetting(
            f"{given.name_of('tls_cert')}: {settings.tls_cert} and {settings.tls_key} are no"
            f" certificate and its key, both in PEM and without a password: {error.reason}"
        ) from None
