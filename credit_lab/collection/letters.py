"""Letters of the collection ladder (催款函), in English and Chinese, with a statement of open items.

Texts are Jinja2 templates; everything that comes from data is escaped. The DOCX is written by hand (a zip of four
small files), so no further package is needed.
"""

import datetime
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import jinja2
import pandas as pd

from credit_lab import money
from credit_lab.collection.cells import CollectionError
from credit_lab.collection.ladder import Run


@dataclass(frozen=True)
class Sender:
    """Who writes: firm, address, contact, bank details, and days within which payment is asked for."""

    firm: str
    address: str = ""
    contact: str = ""
    bank: str = ""
    pay_within_days: int = 7


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "pre_due_notice_title": "Payment falling due",
        "pre_due_notice": "the items below fall due in the next days. If payment is under way, thank you.",
        "reminder_title": "Payment reminder",
        "reminder": "the items below are past due. Perhaps they escaped notice: please pay by {{ pay_by }}.",
        "negotiation_title": "Overdue account: please contact us",
        "negotiation": "in spite of our reminder the items below are still unpaid. Please call us by {{ pay_by }} to "
        "agree on payment, if need be in parts.",
        "demand_letter_title": "Formal demand for payment",
        "demand_letter": "we formally demand payment of the items below by {{ pay_by }}. Further deliveries depend on "
        "it. This letter interrupts the limitation period.",
        "legal_title": "Last demand before legal action",
        "legal": "unless the full amount reaches us by {{ pay_by }}, we shall hand the claim to our lawyers without "
        "further notice. Costs and interest will be claimed from you.",
        "dear": "Dear {{ name }},",
        "columns": "Document|Due date|Days past due|Open amount|Interest",
        "total": "Total",
        "interest": "Interest so far: {{ interest }} ({{ per_year }} per year, {{ year_days }} days).",
        "bank": "Bank details",
        "close": "Yours faithfully",
        "settled": "If you have paid in the meantime, please disregard this letter.",
    },
    "zh": {
        "pre_due_notice_title": "付款到期提醒",
        "pre_due_notice": "下列款项即将到期，敬请安排付款。如已付款，谨致谢意。",
        "reminder_title": "付款提醒",
        "reminder": "下列款项已逾期，或为疏漏所致，请于{{ pay_by }}前付款。",
        "negotiation_title": "逾期账款协商函",
        "negotiation": "经我方提醒，下列款项仍未支付。请于{{ pay_by }}前与我方联系，商定付款安排，可协商分期。",
        "demand_letter_title": "催款函",
        "demand_letter": "我方正式要求贵司于{{ pay_by }}前付清下列款项。后续发货以付款为前提。本函中断诉讼时效。",
        "legal_title": "律师介入前最后通知",
        "legal": "如{{ pay_by }}前未收到全部款项，我方将不再另行通知，委托律师处理，相关费用及利息由贵司承担。",
        "dear": "{{ name }}：",
        "columns": "单据|到期日|逾期天数|未付金额|利息",
        "total": "合计",
        "interest": "截至目前的逾期利息：{{ interest }}（年利率{{ per_year }}，按{{ year_days }}天计）。",
        "bank": "收款账户",
        "close": "此致",
        "settled": "如贵司已付款，请忽略本函。",
    },
}


def render_docx(
    run: Run,
    customer_id: str,
    sender: Sender,
    *,
    currency: str,
    language: str = "en",
    name: str = "",
) -> bytes:
    """One customer's letter as a DOCX document; the same input gives the same bytes.

    Parameters
    ----------
    run : of the ladder
    customer_id : who is written to
    sender : who writes
    currency : of the amounts, ISO 4217
    language : en or zh
    name : of the customer, as it is addressed; empty: its id

    Raises
    ------
    CollectionError
        The run has no letter for the customer, or there is no text in the language.
    """
    facts = _facts(run, customer_id, sender, currency, language, name)
    return _docx(facts)


def _facts(
    run: Run,
    customer_id: str,
    sender: Sender,
    currency: str,
    language: str,
    name: str,
) -> dict[str, Any]:
    if language not in TEXTS:
        raise CollectionError(f"letters: no texts in {language!r}; there are {', '.join(TEXTS)}")
    found = run.letters[run.letters["customer_id"] == customer_id]
    if found.empty:
        reasons = run.waiting.loc[run.waiting["customer_id"] == customer_id, "reason"].unique()
        why = f"its items wait: {', '.join(reasons)}" if len(reasons) else "it has no open items"
        raise CollectionError(f"letters: no letter for {customer_id} on {run.as_of.date()}; {why}")
    letter = found.iloc[0]
    lines = run.lines[run.lines["customer_id"] == customer_id]
    lines = lines[(lines["level"] > 0) | (letter["level"] < 0)]

    def amount(value: float) -> str:
        return f"{currency} {money.text(value, currency)}"

    rows = [
        [str(row.document_id), f"{row.due_date:%Y-%m-%d}", str(max(int(row.days), 0)), amount(row.open_amount),
         amount(row.interest)]
        for row in lines.itertuples()
    ]  # fmt: skip
    texts = TEXTS[language]
    pay_by = run.as_of + datetime.timedelta(days=sender.pay_within_days)
    filled: Mapping[str, str] = {
        "pay_by": _date(pay_by, language),
        "name": name or customer_id,
        "interest": amount(float(letter["interest"])),
        "per_year": f"{run.interest.per_year:.2%}",
        "year_days": str(run.interest.year_days),
    }

    plain = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)

    def say(key: str) -> str:
        """Plain text; it is escaped when it enters the page."""
        return plain.from_string(texts[key]).render(**filled)

    total = [texts["total"], "", "", amount(float(letter["amount"])), amount(float(letter["interest"]))]
    return {
        "language": language,
        "sender": sender,
        "date": _date(run.as_of, language),
        "title": texts[f"{letter['action']}_title"],
        "dear": say("dear"),
        "body": say(str(letter["action"])),
        "columns": texts["columns"].split("|"),
        "rows": [*rows, total],
        "interest": say("interest") if letter["interest"] > 0 else "",
        "settled": texts["settled"],
        "bank": texts["bank"],
        "close": texts["close"],
    }


def _date(day: pd.Timestamp, language: str) -> str:
    return f"{day.year}年{day.month}月{day.day}日" if language == "zh" else f"{day:%Y-%m-%d}"


def _docx(facts: dict[str, Any]) -> bytes:
    sender: Sender = facts["sender"]
    paragraphs = [_paragraph(line) for line in (sender.firm, sender.address, sender.contact, facts["date"]) if line]
    paragraphs += [_paragraph(facts["title"], bold=True), _paragraph(facts["dear"]), _paragraph(facts["body"])]
    cells = [facts["columns"], *facts["rows"]]
    table = "".join("<w:tr>" + "".join(f"<w:tc>{_paragraph(c)}</w:tc>" for c in row) + "</w:tr>" for row in cells)
    grid = "<w:tblGrid>" + "<w:gridCol/>" * len(facts["columns"]) + "</w:tblGrid>"
    frame = '<w:tblPr><w:tblW w:w="5000" w:type="pct"/></w:tblPr>'
    paragraphs.append(f"<w:tbl>{frame}{grid}{table}</w:tbl>")
    after = [facts["interest"], facts["settled"], f"{facts['bank']}: {sender.bank}" if sender.bank else ""]
    paragraphs += [_paragraph(line) for line in (*after, facts["close"], sender.firm) if line]
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    content = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    files = {
        "[Content_Types].xml": f'{head}<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        f'PartName="/word/document.xml" ContentType="{content}"/></Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'{head}<w:document xmlns:w="{word}"><w:body>{"".join(paragraphs)}<w:sectPr/></w:body>'
        "</w:document>",
    }
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return memory.getvalue()


def _paragraph(text: str, *, bold: bool = False) -> str:
    style = '<w:rPr><w:rFonts w:eastAsia="SimSun"/>' + ("<w:b/>" if bold else "") + "</w:rPr>"
    return f'<w:p><w:r>{style}<w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
