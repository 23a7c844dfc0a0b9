"""The columns that tables share, and the naming of constraints: declarations only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Text,
    Time,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ocr_ops.model import Kind, Match, Status

SCHEMAS = ("ingest", "extraction", "audit", "marts")
VERSION_SCHEMA, VERSION_TABLE = "audit", "schema_version"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Instant = DateTime(timezone=True)
DigestText = String(71)

DIGEST_PATTERN = "'^sha256:[0-9a-f]{64}$'"
KEY_PATTERN = "'^(sha256|uri):[0-9a-f]{64}$'"


def digest(
    name: str, comment: str, *rest: Any, nullable: bool = False, primary_key: bool = False
) -> Column[Any]:
    """A column that holds the name of some bytes, `sha256:` and 64 hex digits."""
    check = CheckConstraint(f"{name} ~ {DIGEST_PATTERN}", name=f"{name}_is_sha256")
    return Column(name, DigestText, *rest, check, nullable=nullable, primary_key=primary_key, comment=comment)


def one_of(
    name: str, words: type[Status] | type[Match], comment: str, *, nullable: bool = False
) -> Column[Any]:
    """A column that holds one of the words of an enum, by its stored value."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    check = CheckConstraint(f"{name} in ({listed})", name=f"{name}_is_known")
    return Column(name, Text, check, nullable=nullable, comment=comment)


def document_key(parent: str = "ingest.documents", *, ondelete: str | None = "CASCADE") -> Column[Any]:
    """The first column of a table whose rows belong to one document, and go with their parent's row."""
    return Column(
        "document_key",
        DigestText,
        ForeignKey(f"{parent}.document_key", ondelete=ondelete),
        primary_key=True,
        comment="Which document; the key of ingest.documents",
    )


def key_of_version() -> Column[Any]:
    """`document_key` in a table whose rows belong to one version of a document; `of_version` ends such a table."""
    return Column("document_key", DigestText, comment="Which document; the key of ingest.documents")


def of_version(*key: str, parent: str = "extraction.records") -> tuple[Any, ...]:
    """The version a row belongs to, its primary key (document, version, `key`), and the row of `parent` it goes with.

    Last in the table, since the released tables got the column later.
    """
    return (
        Column("version", Integer, autoincrement=False, comment="Version of the document's record, from 1"),
        PrimaryKeyConstraint("document_key", "version", *key),
        ForeignKeyConstraint(
            ["document_key", "version"], [f"{parent}.document_key", f"{parent}.version"], ondelete="CASCADE"
        ),
    )


def position(comment: str = "Order, from 1") -> Column[Any]:
    """Rows that are ordered within their document; part of their key."""
    return Column("position", Integer, autoincrement=False, comment=comment)


def box(name: str, unit: Any, comment: str) -> Column[Any]:
    """A rectangle as an array x1, y1, x2, y2."""
    return Column(
        name, ARRAY(unit), CheckConstraint(f"cardinality({name}) = 4", name=f"{name}_has_4"), comment=comment
    )


def field(name: str, kind: Kind, comment: str, length: int | None = None) -> Column[Any]:
    """A typed column for one field of a document type; `info["kind"]` says how its text becomes a value."""
    checks: list[CheckConstraint] = []
    if kind in (Kind.MONEY, Kind.QUANTITY, Kind.RATE):
        sane = f"abs({name}) < 1e15 and scale({name}) <= 6"
        checks.append(CheckConstraint(sane, name=f"{name}_is_sane"))
        column_type: Any = Numeric()
    elif kind is Kind.CURRENCY:
        checks.append(CheckConstraint(f"{name} ~ '^[A-Z]{{3}}$'", name=f"{name}_is_iso_4217"))
        column_type = CHAR(3)
    elif kind in (Kind.DATE, Kind.TIME):
        column_type = Date() if kind is Kind.DATE else Time()
    else:
        column_type = String(length)
    return Column(name, column_type, *checks, comment=comment, info={"kind": kind})
