import dataclasses
from pathlib import Path

import pytest

from ocr_ops.errors import SettingsError
from ocr_ops.settings import LlmProvider, OcrEngine, Settings, env_name

README = Path(__file__).parents[2] / "README.md"


def test_nothing_set_means_the_laptop():
    settings = Settings.from_env({})

    assert settings.ocr_engine is OcrEngine.EMBEDDED
    assert settings.llm_provider is LlmProvider.NONE


def test_a_url_alone_switches_the_llm_on():
    settings = Settings.from_env({"OCR_OPS_LLM_URL": "http://localhost:11434/v1"})

    assert settings.llm_provider is LlmProvider.OPENAI


def test_urls_are_split_at_commas_and_lose_the_last_slash():
    settings = Settings.from_env({"OCR_OPS_OCR_URLS": "http://a:8000/v1/, http://b:8000/v1"})

    assert settings.ocr_urls == ("http://a:8000/v1", "http://b:8000/v1")


def test_roots_are_split_at_colons():
    assert Settings.from_env({"OCR_OPS_ALLOWED_ROOTS": "/srv/a:/srv/b"}).allowed_roots == ("/srv/a", "/srv/b")


def test_every_wrong_setting_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"OCR_OPS_DPI": "fine", "OCR_OPS_OCR_ENGINE": "vllm", "OCR_OPS_MAX_PAGES": "0"})

    assert all(name in str(caught.value) for name in ("OCR_OPS_DPI", "OCR_OPS_OCR_URLS", "OCR_OPS_MAX_PAGES"))


def test_keys_and_the_database_url_stay_out_of_the_representation():
    env = {
        "OCR_OPS_LLM_API_KEY": "sesame-1",
        "OCR_OPS_OCR_API_KEY": "sesame-2",
        "OCR_OPS_DATABASE_URL": "postgresql://sesame-3",
    }

    assert "sesame" not in repr(Settings.from_env(env))


@pytest.mark.parametrize("uri", ["gs://bucket", "s3://", "s3:///prefix", "file://", "/var/audit", "audit"])
def test_only_folders_and_buckets_hold_the_audit_store(uri):
    with pytest.raises(SettingsError, match="OCR_OPS_AUDIT_URI must be file://"):
        Settings.from_env({"OCR_OPS_AUDIT_URI": uri})


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_setting_is_documented(name):
    assert f"`{env_name(name)}`" in README.read_text(encoding="utf-8")
