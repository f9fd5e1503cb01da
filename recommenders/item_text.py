"""From the text of items to vectors: TF-IDF, or static embeddings where a model is named."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from focusgroup.simulator.errors import UserError

_WORD = re.compile(r"\w+")
# Scripts written without spaces between words: kana, Han, Hangul.
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+)")


def tokens(text: str) -> list[str]:
    """Lower-case words; runs of Chinese, Japanese or Korean as overlapping pairs of characters
    (as Lucene's CJKAnalyzer does), which needs no dictionary."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        for run in _UNSPACED.split(word):
            if len(run) > 2 and _UNSPACED.fullmatch(run):
                found += [run[i : i + 2] for i in range(len(run) - 1)]
            elif run:
                found.append(run)
    return found


def _terms(title: str, attributes: Sequence[str], description: str) -> list[str]:
    words = tokens(f"{title} {description}")
    for attribute in attributes:
        parts = tokens(attribute)
        words += parts
        if len(parts) > 1:
            words.append(" ".join(parts))  # "science fiction" is more than its two words
    return words


def tfidf_vectors(items: pd.DataFrame) -> csr_matrix:
    """Unit TF-IDF rows over title, attributes and description, in the table's order.

    Term frequency is 1 + ln(tf), inverse document frequency scikit-learn's smoothed one. An item
    without words has a zero row.

    Raises:
        UserError: no item has any words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    documents = [
        _terms(title, attributes, description)
        for title, attributes, description in zip(
            items["title"], items["attributes"], items["description"], strict=True
        )
    ]
    if not any(documents):
        raise UserError(
            "recommender 'content' needs items with text: title, attributes and description "
            f"are without words in all {len(items)} rows."
        )
    # A callable analyzer takes the documents as they come: already cut into terms.
    return csr_matrix(TfidfVectorizer(analyzer=list, sublinear_tf=True).fit_transform(documents))


def embedded_vectors(items: pd.DataFrame, model: str) -> NDArray[np.float64]:
    """Unit embedding rows of shape (n_items, dimension) by a model2vec model.

    Args:
        model: a folder, or a name on the Hugging Face hub (fetched on first use).

    Raises:
        UserError: model2vec is not installed, or the model cannot be loaded.
    """
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise UserError(
            f"'embedding' {model!r} needs model2vec: pip install 'focusgroup[text]'. "
            "Or leave 'embedding' out for TF-IDF."
        ) from error
    try:
        encoder = StaticModel.from_pretrained(model, force_download=False)
    except Exception as error:  # whatever the hub, the disk or the file formats raise
        raise UserError(
            f"cannot load the embedding model {model!r} ({type(error).__name__}: {error}); "
            "expected a model2vec folder or its name on the Hugging Face hub."
        ) from error
    texts = [
        f"{title}: {', '.join(attributes)}. {description}"
        for title, attributes, description in zip(
            items["title"], items["attributes"], items["description"], strict=True
        )
    ]
    rows = np.asarray(encoder.encode(texts, use_multiprocessing=False), np.float64)
    return unit_rows(rows)


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their length; a zero row stays zero."""
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return rows / np.where(lengths > 0.0, lengths, 1.0)
