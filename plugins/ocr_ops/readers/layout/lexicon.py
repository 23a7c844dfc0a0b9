"""Words that say what stands beside them, in seven languages: the reader's general knowledge, no merchant's name.

In: printed text. Out: the concepts it names, OCR damage tolerated.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rapidfuzz import fuzz, process

from ocr_ops.grammar.words import fold_ocr

_TERMS: dict[str, tuple[str, ...]] = {
    "total": (
        "total", "totals", "ttl", "tota", "jumlah", "amaun", "summe", "gesamt", "gesamtbetrag", "gesamtsumme", "endbetrag", "rechnungsbetrag",
        "bruttobetrag", "bruttosumme", "brutto", "zahlbetrag", "totaal", "totale", "ttc", "importe", "合计", "总计", "总额", "价税合计",
    ),
    "due": ("due", "payable", "zu zahlen", "zahlen", "te betalen", "a pagar", "a payer", "da pagare", "应付", "amt paid", "amount paid", "to pay", "net a payer"),
    "grand": ("grand", "nett", "final", "bill total", "total bill"),
    "sub": ("sub", "subtotal", "sub total", "subttl", "zwischensumme", "sous total", "subtotaal", "subtotale", "小计", "imponibile", "base imponible", "taxable"),
    "excl": (
        "excl", "exclude", "excluding", "exclusive", "excluded", "excl gst", "before", "without", "w o", "wo", "ohne", "hors", "ht", "netto", "nettobetrag",
        "nettosumme", "exc", "ex", "zzgl", "basisbetrag", "warenwert", "imponibile",
    ),
    "incl": ("incl", "include", "inclusive", "including", "included", "inkl", "incl gst", "ttc", "inc", "inclusiv"),
    "tax": ("gst", "vat", "tax", "sst", "mwst", "ust", "mehrwertsteuer", "umsatzsteuer", "steuer", "tva", "btw", "iva", "steuerbetrag", "税额", "igst", "cgst", "sgst", "sr", "mehrwertst"),
    "summary": ("summary", "analysis", "tax code", "taxcode", "gst code", "breakdown", "rekapitulation"),
    "qty": ("qty", "quantity", "item", "items", "pcs", "count", "artikel", "posten", "oty", "anzahl", "unit", "units", "ctn", "pax", "article", "articles", "aantal", "menge", "kuantiti", "no of"),
    "round": ("rounding", "round", "rnd", "rounded", "adj", "adjustment", "roundoff", "pembundaran", "rundung", "arrondi", "afronding", "redondeo", "bundle rounding"),
    "cash": (
        "cash", "tender", "tendered", "paid", "pay", "payment", "received", "bar", "bargeld", "gegeben", "visa", "master", "mastercard", "credit", "debit", "card", "girocard",
        "tunai", "especes", "contant", "efectivo", "contanti", "cb", "pin", "maestro", "amex", "kreditkarte", "ec", "kartenzahlung", "现金", "deposit", "voucher", "bayaran",
    ),
    "change": ("change", "baki", "ruckgeld", "zuruck", "rendu", "wisselgeld", "cambio", "resto", "找零", "chg", "changes", "monnaie"),
    "discount": ("discount", "disc", "saving", "savings", "saved", "rabatt", "rebate", "ersparnis", "remise", "korting", "descuento", "sconto", "diskaun", "gespart", "skonto"),
    "point": ("point", "points", "punkte", "member", "balance", "poin", "redeem", "redeemed"),
    "service": ("service charge", "svc chg", "serv charge", "svc charge", "service chg", "s charge", "delivery", "versandkosten", "frachtbetrag", "transportkosten"),
    "savings_left": ("last", "previous", "outstanding", "brought forward"),
}  # fmt: skip
_WORDS: dict[str, tuple[str, ...]] = {
    concept: tuple(t for t in terms if " " not in t and t.isascii()) for concept, terms in _TERMS.items()
}
_PHRASES: dict[str, tuple[str, ...]] = {
    concept: tuple(t for t in terms if " " in t or not t.isascii()) for concept, terms in _TERMS.items()
}
_FUZZY = 5
_BY_WORD: dict[str, tuple[str, ...]] = {
    word: tuple(c for c, terms in _WORDS.items() if word in terms)
    for terms in _WORDS.values()
    for word in terms
}
_LONG_WORDS = [word for word in _BY_WORD if len(word) >= _FUZZY]
_GLUED: dict[str, tuple[str, ...]] = {
    "total": ("total", "summe", "gesamt"),
    "sub": ("subtotal", "subttl", "zwischens"),
    "excl": ("exclud", "exclusive", "excl", "nettobet", "nettosum"),
    "incl": ("inclu", "incl"),
    "tax": ("gst", "mwst", "vat", "steuer"),
    "qty": ("qty", "quantity", "item"),
    "round": ("rounding", "rounded", "roundin"),
    "cash": ("cash", "tender", "payment"),
    "change": ("change", "zuruck", "ruckgeld"),
    "discount": ("discount", "saving", "rabatt"),
    "summary": ("summary",),
    "due": ("amountdue", "payable", "zuzahlen"),
}

_PHRASES_ASCII = tuple((t, c) for c, terms in _PHRASES.items() for t in terms if t.isascii())
_PHRASES_OTHER = tuple((t, c) for c, terms in _PHRASES.items() for t in terms if not t.isascii())
_GLUED_TERMS = tuple((t, c) for c, terms in _GLUED.items() for t in terms)

COMPANY = re.compile(
    r"(?<![A-Za-z])(?:s[deob]n\.? ?[.,]? ?[b3d]h[do]|bhd|gmbh|mbh|kgaa|(?-i:(?<!\d)(?<!\d )KG)|ohg|e\. ?k|(?-i:UG|AG)|ltd|limited|llc|llp|inc|corp|co\. ?kg|plc|pte|pvt|sarl|sas|s\.a\.?r\.?l|s\.a|eurl|b\.?v|n\.?v|s\.?r\.?l|s\.?p\.?a|s\.l|e\. ?v)(?![A-Za-z])\.?"
    r"|[s5] ?/ ?b(?![a-z])|(?<![a-z])sb(?= ?\()|有限公司|株式会社",
    re.IGNORECASE,
)
TRADE = re.compile(
    r"(?<![a-z])(?:enterprise|trading|restaurant|restoran|cafe|store|stores|mart|hardware|bakery|confectionery|kedai|pharmacy|farmasi|apotheke|supermarket|market|markt|hotel|stationers?|stationery|"
    r"bookstores?|services?|holdings?|industries|group|company|shop|supplies|kopitiam|seafood|electrical|machinery|motor|food|foods|mini ?market|pasar|syarikat|perniagaan|baeckerei|backerei|drogerie|tankstelle)(?![a-z])",
    re.IGNORECASE,
)
ROAD = re.compile(
    r"(?<![a-z])(?:jalan|jln|jl|lorong|lrg|persiaran|lebuh|lebuhraya|taman|tmn|kampung|kg\.|bandar|seksyen|sek|section|batu|km|kompleks|plaza|mall|level|floor|flr|lot|lots|no|unit|blok|block|blk|wisma|menara|"
    r"ground|pusat|perdagangan|industri|perindustrian|kawasan|pt ?\d+|street|str|road|rd|avenue|ave|lane|boulevard|blvd|drive|way|suite|terry|weg|allee|platz|gasse|ufer|damm|rue|place|via|viale|piazza|calle|plaza|avenida|"
    r"straat|laan|plein|box|airport|terminal|centre|center|complex|square|tower|building|desa|sri|park|utama|pju|ss ?\d+|usj ?\d+|off|mukim|psn|leboh|medan|dataran)(?![a-z])|stra(?:ss|ß)e|str\.|platz\b|weg\b|allee\b|路|号|街|区",
    re.IGNORECASE,
)
POSTCODE = re.compile(
    r"(?<![\d-])(?:[A-Z]{1,2}-? ?)?\d{5}(?![\d-])(?!\.\d)|\b[A-Z]{1,2}\d[\dA-Z]? ?\d[A-Z]{2}\b|\b\d{4} ?[A-Z]{2}\b|\b\d{6}\b"
    r"|^\W*(?:[A-Z]{1,2}-)?\d{4} [A-ZÄÖÜ][a-zäöüß]{3,}"
)
REGION = re.compile(
    r"(?<![a-z])(?:selangor|johor|bahru|kuala ?lumpur|wilayah|persekutuan|pulau|penang|pinang|perak|pahang|melaka|kedah|kelantan|terengganu|sabah|sarawak|negeri|sembilan|darul|ehsan|takzim|petaling|jaya|shah|alam|puchong|klang|"
    r"subang|cheras|kepong|ampang|seremban|ipoh|malaysia|d\.e|singapore|deutschland|germany|france|italia|espana|nederland|india|china|usa|bhd\.? ?centre)(?![a-z])",
    re.IGNORECASE,
)
PLACE_WORDS = (
    "malaysia",
    "selangor",
    "lumpur",
    "persekutuan",
    "perindustrian",
    "kawasan",
    "bandar",
    "ground",
    "petaling",
    "section",
    "seksyen",
    "persiaran",
    "lorong",
    "kampung",
    "singapore",
    "street",
    "avenue",
    "industrial",
    "shopping",
    "centre",
)
TRADE_WORDS = (
    "hardware",
    "stationery",
    "restaurant",
    "restoran",
    "enterprise",
    "trading",
    "confectionery",
    "electrical",
    "supermarket",
    "bakery",
    "machinery",
    "pharmacy",
    "bookstores",
    "holdings",
    "industries",
    "services",
    "seafood",
    "malaysia",
    "supplies",
    "apotheke",
)
PHONE = re.compile(
    r"(?<![a-z])(?:tel|te1|tei|telp|telephone|telefon|phone|hp|h/p|fax|telefax|mobile|mobil|whatsapp|hotline|careline|call|fon|tlf|contact|customer service|enquiry|enquiries|inquiries|tél)(?![a-z])"
    r"|\+?\d{2,4}[- ]\d{3,4}[ -]?\d{4}(?!\d)|\b0\d{1,2} ?[-/] ?\d{6,8}\b|电话",
    re.IGNORECASE,
)
WEB = re.compile(
    r"@|www|https?:|\.com\b|\.my\b|\.de\b|e-?mail|facebook|website|instagram|http|\.net\b|\.org\b",
    re.IGNORECASE,
)
TAX_LINE = re.compile(
    r"(?<![a-z])(?:gst|6st|g5t|sst|vat|tax|ust|mwst|steuer\w*|tva|siret|btw|iva|p\.? ?iva|cif|nif|kvk|uid|tin|gstin|ust-?id\w*)(?![a-z]).{0,24}(?:\d{6}|reg|no|id|nr)|co[ .\-]*reg|reg(?:istration)?\.? ?no|(?<![a-z])roc(?![a-z])|company ?(?:no|reg)|hrb|handelsreg|licen[cs]e|rcs",
    re.IGNORECASE,
)
REG_NUMBER = re.compile(
    r"\(?\s*(?:co\.?\s*(?:reg\.?)?\s*(?:no\.?)?\s*[:.]?|reg(?:istration)?\.?\s*(?:no)?\.?\s*[:.]?|roc\s*(?:no)?\.?\s*[:.]?|company\s*(?:reg\.?)?\s*no\.?\s*[:.]?)?\s*"
    r"[(\[{]?\s*(?:[A-Z]{2,3}\s?)?[\dOoIl]{5,12}\s?-?\s?[A-Z0-9]{0,2}\s*[)\]}]?\s*(?:\([^)]{0,8}\))?\s*$",
    re.IGNORECASE,
)
REGISTRATION = re.compile(
    r"^\W*(?:(?:co|company|br|biz|business|reg|regn?|registration|roc|ssm|keg|no|nr|id)\b[ .:\-#]*)+\(?\s*[\w\-]*\d{4,}[\w \-]*\W*(?:\([\w ]*\)\W*)?$",
    re.IGNORECASE,
)
PLACE_GLUED = re.compile(
    r"jalan|jln|taman|lorong|kawasan|bandar|persiaran|kampung|selangor|kualalumpur|stra(?:ss|ß)e",
    re.IGNORECASE,
)
TITLE = re.compile(
    r"^\W*(?:simplified |copy |duplicate |original |cash |sales |official )*(?:tax ?invo[il]ce|invo[il]ce|receipt|cash bill|bill|kassenbon|rechnung|quittung|kundenbeleg|beleg|facture|factuur|factura|fattura|guest check|cash sales?|"
    r"official receipt|tax|gst|copy|original|duplicate|reprint|order|welcome.*|willkommen.*|thank ?you.*|table.*|counter.*|take ?away|dine ?in|credit note|gutschrift|delivery order|statement|customer copy|merchant copy|self collect|bill to.*)\W*(?:\(.*\))?$",
    re.IGNORECASE,
)
SLOGAN = re.compile(
    r"(?<![a-z])(?:thank|welcome|visit|please|goods sold|return|exchange|refund|your |our |we |öffnungszeit|vielen dank|willkommen|uhr|besuch|einkauf|glück|for |open daily|business hour|follow|like us|owned by$|managed by|formerly|known as|keep this|feedback|promo|price|served|cashier|user|operator|member|station(?!er)|trust|quality)",
    re.IGNORECASE,
)
META_LINE = re.compile(
    r"(?<![a-z])(?:invoice no|inv no|inv\.? ?#|receipt ?(?:no|#)|bill ?(?:no|#)|doc(?:ument)? ?no|date|datum|time|cashier|counter|cash ?sale|table|order ?(?:no|#)|slip|trans|salesperson|ref|customer|cust|a/c|attn|bill to|deliver|ship to|station|pos|pax|"
    r"page|sales ?person|operator|member|gst id|terminal|till|staff|server|term|queue|kasse|bon|bon-?n(?:umme)?r|ticket|scontrino|clerk|machine)(?![a-z])|^(?:to|m/s)\s*[:.]",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def concepts(text: str) -> frozenset[str]:
    """What a label names: "total", "sub", "excl", "incl", "tax", "qty", "round", "cash", "change", "discount", …"""
    folded = fold_ocr(text)
    dense = folded.replace(" ", "")
    found = {c for word in folded.split() for c in _word_concepts(word)}
    if " " in folded:
        found |= {c for t, c in _PHRASES_ASCII if t in folded}
    if not folded.isascii():
        found |= {c for t, c in _PHRASES_OTHER if t in folded}
    found |= {c for t, c in _GLUED_TERMS if t in dense}
    return frozenset(found)


@lru_cache(maxsize=8192)
def _word_concepts(word: str) -> tuple[str, ...]:
    """What one word names; from five letters on, a letter may be misread."""
    exact = _BY_WORD.get(word, ())
    if exact or len(word) < _FUZZY or word.isdigit():
        return exact
    near = process.extract(word, _LONG_WORDS, scorer=fuzz.ratio, score_cutoff=80, limit=None)
    return tuple({c for term, _, _ in near if abs(len(term) - len(word)) <= 1 for c in _BY_WORD[term]})
