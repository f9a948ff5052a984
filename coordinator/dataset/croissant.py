"""croissant.json: the dataset as MLCommons Croissant 1.1 describes it.

Source: Croissant Format Specification 1.1, with W3C PROV-O for how it came to be, ODRL for what its
contributors allow, and Croissant RAI 1.0 for collection and annotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from commonground.counting import plural
from commonground.dataset.layout import DATA, FileEntry
from commonground.dataset.policies import licence_url
from commonground.dataset.rows import AUDIO, BYTES, IMAGE, NESTED, TEXT, Column
from coordinator.dataset.facts import Facts, counted
from protocol.identity import person_of

CONFORMS_TO: Final = (
    "http://mlcommons.org/croissant/1.1",
    "http://mlcommons.org/croissant/RAI/1.0",
)
_PARQUET: Final = "application/x-parquet"
_FILES: Final = "parquet-files"
_ITEMS: Final = "items"
_TYPES: Final = {
    IMAGE: "sc:ImageObject",
    AUDIO: "sc:AudioObject",
    TEXT: "sc:Text",
    BYTES: "sc:Text",  # the vocabulary has no word for bytes; the column of the media type says what they are
    "int64": "sc:Integer",
    "float64": "sc:Float",
    "bool": "sc:Boolean",
}
_ACTIONS: Final = {
    "train": "Training of models",
    "redistribute": "Redistribution",
    "commercial": "Commercial use",
}
_IN_CROISSANT: Final = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty"),
    *("excludes", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
    *("includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path"),
    *("readLines", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("sdVersion", "separator", "source", "subField", "transform", "unArchive", "value"),
)
# Appendix 1 of the specification, and what mlcroissant asks for beyond it.
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _IN_CROISSANT},
}


def describe(
    facts: Facts, files: Mapping[str, FileEntry], rows: Mapping[str, int]
) -> dict[str, Any]:
    """The JSON-LD document; `files` are the Parquet files and `rows` how many each has, by path."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": facts.name,
        "alternateName": facts.title,
        "description": facts.description,
        "url": facts.url,
        "version": facts.version,
        "datePublished": facts.published,
        "citeAs": facts.citation,
        "license": [licence_url(each) for each in sorted(facts.licences)],
        "publisher": {"@type": "Organization", "name": facts.network_name, "url": facts.url},
        "creator": [
            {
                "@type": "Person",
                "name": name,
                "description": f"{count:,} of {plural(facts.items, 'item')}",
            }
            for name, count in sorted(facts.contributors.items(), key=lambda pair: (-pair[1], pair))
        ],
        "usageInfo": _usage(facts),
        **_provenance(facts),
        **_responsible_ai(facts),
        "distribution": [*_file_objects(files, rows), _file_set()],
        "recordSet": [
            *(_names_set(column) for column in facts.columns if column.names),
            _item_set(facts),
        ],
    }


def _usage(facts: Facts) -> dict[str, Any]:
    """What every contributor agreed to, as an ODRL offer. ODRL's own actions where it has them."""
    actions = {"redistribute": "odrl:distribute", "commercial": "odrl:commercialize"}
    return {
        "@type": ["CreativeWork", "odrl:Offer"],
        "name": "Consent of the contributors",
        "odrl:permission": [
            {
                "@type": "odrl:Permission",
                "odrl:action": {"@id": actions.get(use, "odrl:use"), "name": _ACTIONS[use]},
            }
            for use in facts.uses
        ],
    }


def _provenance(facts: Facts) -> dict[str, Any]:
    """PROV-O: from which snapshot, by which activity, and whose it is."""
    return {
        "prov:wasDerivedFrom": {"@id": facts.urn},
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": (
                f"Campaign {facts.campaign.id} ({facts.campaign.task}): "
                f"{facts.campaign.reviewers_per_item} reviewers per item, drawn at random, answer "
                "independently; what is decided is inferred from their answers"
            ),
        },
        "prov:wasAttributedTo": [
            {"@type": "prov:Agent", "@id": f"urn:commonhold:person:{person_of(name).hex()}"}
            for name in sorted(facts.contributors)
        ],
    }


def _responsible_ai(facts: Facts) -> dict[str, Any]:
    made = [f"Made by: {counted(facts.origins)}."]
    if facts.generators:
        made.append(f"Generators: {counted(facts.generators)}.")
    if facts.derived:
        made.append(f"Derived from other items: {facts.derived:,} (column derived_from).")
    personal = (
        f"Items that hold personal data, by their contributors' word: {facts.personal:,} "
        "(column personal_data)."
        if facts.personal
        else "Contributors say that no item holds personal data."
    )
    return {
        "rai:dataCollection": " ".join(
            ["Contributors submitted signed items; copies of earlier items were left out.", *made]
        ),
        "rai:dataAnnotationProtocol": [
            f"The question: {' '.join(facts.asks)}",
            "Reviewers commit to answers before anybody's are shown. What is decided follows from them "
            "by Bayesian inference, anchored in items whose answer was known; columns confidence, belief.",
        ],
        "rai:annotationsPerItem": str(facts.campaign.reviewers_per_item),
        "rai:personalSensitiveInformation": [personal],
        "rai:dataReleaseMaintenancePlan": (
            "Contributors may withdraw consent. A withdrawn item is in no later snapshot, and this "
            "one can then no longer be licensed."
        ),
    }


def _file_objects(files: Mapping[str, FileEntry], rows: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path.rpartition("/")[2],
            "contentUrl": path,
            "contentSize": f"{entry.bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": entry.sha256,
            "description": f"{rows[path]:,} rows",
        }
        for path, entry in sorted(files.items())
    ]


def _file_set() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _FILES,
        "name": _FILES,
        "encodingFormat": _PARQUET,
        "includes": f"{DATA}/*.parquet",
    }


def _names_set(column: Column) -> dict[str, Any]:
    """What the indices of a label mean."""
    name = f"{column.name}_names"
    key = f"{name}/name"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{column.name} is an index into these.",
        "dataType": "sc:Enumeration",
        "key": {"@id": key},
        "field": [{"@type": "cr:Field", "@id": key, "name": "name", "dataType": "sc:Text"}],
        "data": [{key: each} for each in column.names],
    }


def _item_set(facts: Facts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": _ITEMS,
        "name": _ITEMS,
        "description": f"{facts.items:,} records, one for each item, in the order of the log"
        f"{facts.split_words}.",
        "key": {"@id": f"{_ITEMS}/{facts.columns.key}"},
        "field": [_column_field(column) for column in facts.columns],
    }


def _column_field(column: Column) -> dict[str, Any]:
    field = _field(column.name, _TYPES[column.type], column.description)
    if column.type in NESTED:
        field["source"]["transform"] = {"jsonPath": "bytes"}
    if column.names:
        field["dataType"] = [field["dataType"], "cr:Label"]
    if column.repeated:
        field |= {"isArray": True, "arrayShape": "-1"}
    return field


def _field(name: str, data_type: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{_ITEMS}/{name}",
        "name": name,
        "description": description,
        "dataType": data_type,
        "source": {"fileSet": {"@id": _FILES}, "extract": {"column": name}},
    }
