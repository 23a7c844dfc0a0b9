"""What is printed on paper, by language: labels, number and date forms, tax rates, invented names and articles. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Country:
    """One way of writing bills. `dates` are strftime forms; `thousands` and `point` are the marks in numbers."""

    language: str
    code: str
    currency: str
    sign: str
    rates: tuple[Decimal, ...]
    dates: tuple[str, ...]
    point: str
    thousands: str
    cities: tuple[str, ...]
    street: str
    """How a street and a number are written: {name}, {number}."""


def _rates(*rates: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, rates))


COUNTRIES = (
    Country("en", "GB", "GBP", "£", _rates("20", "5"), ("%d/%m/%Y", "%d %B %Y"), ".", ",", ("Exampleton EX1 4ZZ", "Sampleford SA2 9ZZ"), "{number} {name} Street"),
    Country("en", "US", "USD", "$", _rates("8.25", "6"), ("%m/%d/%Y", "%B %d, %Y"), ".", ",", ("Sampleville, OH 43999", "Testburg, NY 12999"), "{number} {name} Avenue"),
    Country("de", "DE", "EUR", "€", _rates("19", "7"), ("%d.%m.%Y", "%d.%m.%y"), ",", ".", ("99999 Musterstadt", "00999 Beispielhausen"), "{name}straße {number}"),
    Country("de", "CH", "CHF", "CHF", _rates("8.1", "2.6"), ("%d.%m.%Y",), ".", "'", ("9999 Beispielikon", "8999 Musterwil"), "{name}weg {number}"),
    Country("fr", "FR", "EUR", "€", _rates("20", "5.5"), ("%d/%m/%Y",), ",", " ", ("99000 Exempleville", "98000 Saint-Modèle"), "{number} rue {name}"),
    Country("nl", "NL", "EUR", "€", _rates("21", "9"), ("%d-%m-%Y",), ",", ".", ("9999 ZZ Voorbeelddam", "9998 ZX Testrecht"), "{name}laan {number}"),
    Country("es", "ES", "EUR", "€", _rates("21", "10"), ("%d/%m/%Y",), ",", ".", ("99001 Ejemplo", "99002 Villamuestra"), "Calle {name} {number}"),
    Country("it", "IT", "EUR", "€", _rates("22", "10"), ("%d/%m/%Y", "%d-%m-%Y"), ",", ".", ("99010 Esempio", "99020 Campione"), "Via {name} {number}"),
)  # fmt: skip

LABELS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "receipt": ("RECEIPT", "TAX INVOICE", "SALES RECEIPT"), "invoice": ("INVOICE", "Invoice", "TAX INVOICE"),
        "receipt_number": ("Receipt No", "Receipt #"), "invoice_number": ("Invoice No", "Invoice number", "Invoice #"),
        "date": ("Date",), "issue_date": ("Invoice date", "Date of issue"), "due_date": ("Due date", "Payment due"),
        "purchase_order": ("Purchase order", "PO number"), "buyer": ("Bill to", "Billed to"), "tax_id": ("VAT No", "VAT number"),
        "subtotal": ("Subtotal", "Net"), "net_total": ("Net total", "Subtotal"), "tax": ("VAT", "Tax"), "included": ("incl. VAT", "VAT included"),
        "total": ("TOTAL", "Grand total", "Total amount"), "grand_total": ("Grand total", "Invoice total", "Total"),
        "amount_due": ("Amount due", "Balance due"), "discount": ("Discount", "Loyalty discount"), "rounding": ("Rounding", "Rounding adj."),
        "cash": ("Cash",), "change": ("Change",), "card": ("Card", "Visa"), "thanks": ("Thank you for your visit", "Please come again"),
        "columns": ("Description", "Qty", "Unit price", "Tax", "Amount"), "page": ("Page",), "terms": ("Payment within 30 days without deduction",),
    },
    "de": {
        "receipt": ("KASSENBON", "Quittung", "RECHNUNG"), "invoice": ("RECHNUNG", "Rechnung"),
        "receipt_number": ("Bon-Nr", "Beleg-Nr"), "invoice_number": ("Rechnungsnummer", "Rechnungs-Nr."),
        "date": ("Datum",), "issue_date": ("Rechnungsdatum", "Datum"), "due_date": ("Fällig am", "Zahlbar bis"),
        "purchase_order": ("Bestellnummer", "Bestell-Nr."), "buyer": ("Rechnung an", "Kunde"), "tax_id": ("USt-IdNr.", "USt-ID"),
        "subtotal": ("Nettobetrag", "Netto"), "net_total": ("Nettobetrag", "Summe netto"), "tax": ("MwSt.", "USt."), "included": ("inkl. MwSt.", "enthaltene MwSt."),
        "total": ("SUMME", "GESAMT", "Gesamtbetrag"), "grand_total": ("Gesamtbetrag", "Rechnungsbetrag", "Bruttobetrag"),
        "amount_due": ("Zahlbetrag", "Zu zahlen"), "discount": ("Rabatt", "Treuerabatt"), "rounding": ("Rundung", "Rundungsdifferenz"),
        "cash": ("Bar", "Gegeben Bar"), "change": ("Rückgeld",), "card": ("girocard", "Kartenzahlung"), "thanks": ("Vielen Dank für Ihren Einkauf",),
        "columns": ("Bezeichnung", "Menge", "Einzelpreis", "MwSt.", "Betrag"), "page": ("Seite",), "terms": ("Zahlbar innerhalb von 30 Tagen ohne Abzug",),
    },
    "fr": {
        "receipt": ("TICKET DE CAISSE", "REÇU"), "invoice": ("FACTURE", "Facture"),
        "receipt_number": ("Ticket n°", "N° ticket"), "invoice_number": ("Facture n°", "Numéro de facture"),
        "date": ("Date", "Le"), "issue_date": ("Date de facture", "Date d'émission"), "due_date": ("Date d'échéance", "Échéance"),
        "purchase_order": ("Bon de commande", "Commande n°"), "buyer": ("Facturé à", "Client"), "tax_id": ("N° TVA", "TVA intracom"),
        "subtotal": ("Total HT", "Sous-total HT"), "net_total": ("Total HT", "Montant HT"), "tax": ("TVA", "Montant TVA"), "included": ("dont TVA",),
        "total": ("TOTAL TTC", "NET À PAYER", "TOTAL"), "grand_total": ("Total TTC", "Montant TTC"),
        "amount_due": ("Net à payer", "Reste à payer"), "discount": ("Remise", "Remise fidélité"), "rounding": ("Arrondi",),
        "cash": ("Espèces",), "change": ("Rendu",), "card": ("CB", "Carte bancaire"), "thanks": ("Merci de votre visite", "À bientôt"),
        "columns": ("Désignation", "Qté", "P.U. HT", "TVA", "Montant HT"), "page": ("Page",), "terms": ("Paiement à 30 jours sans escompte",),
    },
    "nl": {
        "receipt": ("KASSABON", "Bon"), "invoice": ("FACTUUR", "Factuur"),
        "receipt_number": ("Bonnummer", "Bonnr"), "invoice_number": ("Factuurnummer", "Factuurnr"),
        "date": ("Datum",), "issue_date": ("Factuurdatum",), "due_date": ("Vervaldatum",),
        "purchase_order": ("Ordernummer",), "buyer": ("Klant", "Factuur aan"), "tax_id": ("BTW nr", "BTW-nummer"),
        "subtotal": ("Subtotaal excl. BTW",), "net_total": ("Subtotaal", "Totaal excl. BTW"), "tax": ("BTW",), "included": ("incl. BTW",),
        "total": ("TOTAAL", "TE BETALEN"), "grand_total": ("Totaal incl. BTW", "Totaal"),
        "amount_due": ("Te betalen",), "discount": ("Korting",), "rounding": ("Afronding",),
        "cash": ("Contant",), "change": ("Wisselgeld", "Terug"), "card": ("PIN", "Bankpas"), "thanks": ("Bedankt en tot ziens",),
        "columns": ("Omschrijving", "Aantal", "Prijs", "BTW", "Bedrag"), "page": ("Pagina",), "terms": ("Betaling binnen 30 dagen",),
    },
    "es": {
        "receipt": ("FACTURA SIMPLIFICADA", "TICKET"), "invoice": ("FACTURA", "Factura"),
        "receipt_number": ("Nº ticket",), "invoice_number": ("Factura nº", "Número de factura"),
        "date": ("Fecha",), "issue_date": ("Fecha de factura", "Fecha de emisión"), "due_date": ("Vencimiento", "Fecha de vencimiento"),
        "purchase_order": ("Número de pedido",), "buyer": ("Cliente", "Facturar a"), "tax_id": ("NIF", "CIF"),
        "subtotal": ("Base imponible", "Subtotal"), "net_total": ("Base imponible", "Subtotal"), "tax": ("IVA",), "included": ("IVA incluido",),
        "total": ("TOTAL", "TOTAL A PAGAR"), "grand_total": ("Total factura", "Importe total"),
        "amount_due": ("Importe a pagar",), "discount": ("Descuento",), "rounding": ("Redondeo",),
        "cash": ("Efectivo",), "change": ("Cambio",), "card": ("Tarjeta",), "thanks": ("Gracias por su visita",),
        "columns": ("Descripción", "Cant.", "Precio", "IVA", "Importe"), "page": ("Página",), "terms": ("Pago a 30 días por transferencia",),
    },
    "it": {
        "receipt": ("DOCUMENTO COMMERCIALE", "SCONTRINO"), "invoice": ("FATTURA", "Fattura"),
        "receipt_number": ("Doc. n.", "Scontrino n."), "invoice_number": ("Fattura n.", "Numero fattura"),
        "date": ("Data",), "issue_date": ("Data fattura", "Data"), "due_date": ("Scadenza",),
        "purchase_order": ("Ordine n.",), "buyer": ("Cliente", "Spett.le"), "tax_id": ("P.IVA", "Partita IVA"),
        "subtotal": ("Imponibile",), "net_total": ("Imponibile", "Totale imponibile"), "tax": ("IVA",), "included": ("di cui IVA",),
        "total": ("TOTALE COMPLESSIVO", "TOTALE EURO", "TOTALE"), "grand_total": ("Totale fattura", "Totale"),
        "amount_due": ("Totale da pagare",), "discount": ("Sconto",), "rounding": ("Arrotondamento",),
        "cash": ("Contanti",), "change": ("Resto",), "card": ("Carta", "Pagamento elettronico"), "thanks": ("Arrivederci e grazie",),
        "columns": ("Descrizione", "Q.tà", "Prezzo", "IVA", "Importo"), "page": ("Pagina",), "terms": ("Pagamento a 30 giorni",),
    },
}  # fmt: skip

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip

NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "en": (("Harbour Lane", "Old Mill", "Northgate", "Silver Birch", "Kestrel"), ("Books", "Hardware", "Groceries", "Stationery", "Supplies"), ("Ltd", "LLC", "& Co")),
    "de": (("Beispiel", "Muster", "Lindenhof", "Nordlicht", "Talblick"), ("Handel", "Bäckerei", "Papierhaus", "Werkzeuge", "Markt"), ("GmbH", "KG", "e.K.")),
    "fr": (("Le Canal", "Les Tilleuls", "Beau Modèle", "La Rive", "Grand Exemple"), ("Papeterie", "Épicerie", "Quincaillerie", "Librairie"), ("SARL", "SAS")),
    "nl": (("De Molen", "Het Voorbeeld", "Waterkant", "Zonneweide"), ("Boekhandel", "Kantoor", "Winkel", "Techniek"), ("B.V.", "V.O.F.")),
    "es": (("El Ejemplo", "La Muestra", "Río Claro", "Buenavista"), ("Papelería", "Ferretería", "Librería", "Suministros"), ("S.L.", "S.A.")),
    "it": (("Il Modello", "Acquachiara", "Bell'Esempio", "La Torre"), ("Cartoleria", "Ferramenta", "Libreria", "Forniture"), ("S.r.l.", "S.p.A.")),
}  # fmt: skip

STREETS: dict[str, tuple[str, ...]] = {
    "en": ("Harbour", "Mill", "Orchard", "Station"), "de": ("Linden", "Birken", "Schul", "Garten"), "fr": ("des Exemples", "du Canal", "des Lilas"),
    "nl": ("Linden", "Beuken", "Molen"), "es": ("Mayor", "del Olmo", "Nueva"), "it": ("Nuova", "dei Tigli", "del Molino"),
}  # fmt: skip

ARTICLES: dict[str, tuple[str, ...]] = {
    "en": ("Wall calendar", "Notebook A5", "Fountain pen ink", "Gift wrap", "Paper clips", "Desk lamp", "Masking tape", "Copy paper A4", "Wood screws 4x40", "Door hinge", "Rye bread", "Apple juice 1 l", "Olive oil", "Green tea", "Oat flakes", "Consulting hours", "Monthly service fee"),
    "de": ("Wandkalender", "Notizbuch A5", "Tinte blau", "Geschenkpapier", "Büroklammern", "Schreibtischlampe", "Klebeband", "Kopierpapier A4", "Holzschrauben", "Türscharnier", "Roggenbrot", "Apfelsaft 1 l", "Olivenöl", "Grüner Tee", "Haferflocken", "Beratung je Stunde", "Wartungspauschale"),
    "fr": ("Calendrier mural", "Carnet A5", "Encre bleue", "Papier cadeau", "Trombones", "Lampe de bureau", "Ruban adhésif", "Ramette A4", "Vis à bois", "Charnière", "Pain de seigle", "Jus de pomme", "Huile d'olive", "Thé vert", "Conseil à l'heure"),
    "nl": ("Wandkalender", "Notitieboek A5", "Blauwe inkt", "Cadeaupapier", "Paperclips", "Bureaulamp", "Plakband", "Kopieerpapier", "Houtschroeven", "Roggebrood", "Appelsap", "Olijfolie", "Groene thee", "Advies per uur"),
    "es": ("Calendario", "Cuaderno A5", "Tinta azul", "Papel de regalo", "Clips", "Lámpara", "Cinta adhesiva", "Papel A4", "Tornillos", "Bisagra", "Pan de centeno", "Zumo de manzana", "Aceite de oliva", "Té verde", "Asesoría por hora"),
    "it": ("Calendario", "Quaderno A5", "Inchiostro blu", "Carta regalo", "Fermagli", "Lampada", "Nastro adesivo", "Carta A4", "Viti per legno", "Cerniera", "Pane di segale", "Succo di mela", "Olio d'oliva", "Tè verde", "Consulenza oraria"),
}  # fmt: skip
