"""Settings of the text towers: what a user types after `--towers.text` (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings

if TYPE_CHECKING:
    from crossmod.contracts.processor import Processor
    from crossmod.text.byte_pair import BytePairProcessor
    from crossmod.text.huggingface import HuggingFaceProcessor
    from crossmod.text.huggingface_tower import HuggingFaceTower
    from crossmod.text.latent_semantic_tower import LatentSemanticTower
    from crossmod.text.latent_semantics import LatentSemanticProcessor
    from crossmod.text.ngram_bag import NgramBagTower
    from crossmod.text.ngrams import NgramProcessor
    from crossmod.text.transformer import TextTransformerTower


@dataclass(frozen=True, kw_only=True)
class TextTransformer(TowerSettings):
    """A transformer trained from scratch on a byte-pair vocabulary learned on the training texts.

    Args:
        vocabulary: Largest number of tokens; at least 260. (Convention: a sixth of GPT-2's 50257, as one field's
            texts have fewer words.)
        length: Most tokens a text keeps, [CLS] and [SEP] included; longer texts are cut and counted. (CLIP keeps
            77; 64 is the nearest power of two.)
        lower_case: Drop case. (CLIP does.)
        width: Width of tokens and of the pooled vector. (Half of CLIP's smallest, for small corpora.)
        depth: Number of blocks. (A third of CLIP's 12, for small corpora.)
        heads: Attention heads; they divide the width. (64 wide each, as in CLIP.)
        expansion: Width of the hidden layer of the MLPs, in widths. (4 in arXiv:1706.03762.)
        dropout: Probability on embedded tokens and on what each branch adds. (0.1 in arXiv:1706.03762.)
        pooling: "mean" of the tokens, the first token ("cls"), or "attention" of a learned query. (The mean is
            best in Sentence-BERT, arXiv:1908.10084.)
        packed: Whether the blocks see real tokens alone, end to end; false where something listens to the blocks
            or changes their states in between. (Measured on one CPU thread, forward and backward: 1.75 to 1.85
            times as fast where padding is 1.7 times the tokens.)
    """

    vocabulary: int = 8192
    length: int = 64
    lower_case: bool = True
    width: int = 256
    depth: int = 4
    heads: int = 4
    expansion: float = 4.0
    dropout: float = 0.1
    pooling: Literal["mean", "cls", "attention"] = "mean"
    packed: bool = True

    def __post_init__(self) -> None:
        _positive(self, "length", "width", "depth", "heads")
        _probabilities(self, "dropout")

    def fit_processor(self, items: Sequence[Any]) -> BytePairProcessor:
        from crossmod.text.byte_pair import BytePairProcessor

        return BytePairProcessor.fit(items, vocabulary=self.vocabulary, length=self.length, lower_case=self.lower_case)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> BytePairProcessor:
        from crossmod.text.byte_pair import BytePairProcessor
        from crossmod.text.fingerprint import require_setting

        processor = BytePairProcessor.load(spec, files)
        require_setting(processor.spec, "length", self.length)
        require_setting(processor.spec, "lower_case", self.lower_case)
        return processor

    def build(self, processor: Processor) -> TextTransformerTower:
        from crossmod.text.byte_pair import BytePairProcessor
        from crossmod.text.transformer import TextTransformerTower

        assert isinstance(processor, BytePairProcessor)
        return TextTransformerTower(
            processor,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            expansion=self.expansion,
            dropout=self.dropout,
            pooling=self.pooling,
            packed=self.packed,
        )


@dataclass(frozen=True, kw_only=True)
class LatentSemanticText(TowerSettings):
    """Latent semantic analysis of the training texts (Deerwester et al. 1990): a fixed encoder that needs no training.

    Texts that share words, or whose words occur beside the same words, lie together. It serves where another modality
    is aligned to texts (LiT, CWCL) and no pre-trained encoder is at hand.

    Args:
        word_orders: The n of the word n-grams. (Single words, as in the paper; pairs tell some order.)
        character_orders: The n of the character n-grams within a word and its end marks; empty leaves them out.
        buckets: Buckets that n-grams are hashed into. (As NgramBag.)
        frequency: Weight of a count within a text: its root ("sqrt") or 1 + log ("log"). (As NgramBag.)
        least_texts: Training texts that an n-gram must occur in to be used at all. (1 uses all.)
        lower_case: Drop case. (As TextTransformer.)
        width: Directions that are kept. (100 in the paper, 100 to 500 is usual.)
    """

    word_orders: tuple[int, ...] = (1, 2)
    character_orders: tuple[int, ...] = ()
    buckets: int = 65536
    frequency: Literal["sqrt", "log"] = "sqrt"
    least_texts: int = 1
    lower_case: bool = True
    width: int = 256

    def __post_init__(self) -> None:
        _positive(self, "buckets", "width", "least_texts")

    def fit_processor(self, items: Sequence[Any]) -> LatentSemanticProcessor:
        from crossmod.text.latent_semantics import LatentSemanticProcessor

        return LatentSemanticProcessor.fit(
            items,
            width=self.width,
            buckets=self.buckets,
            word_orders=self.word_orders,
            character_orders=self.character_orders,
            frequency=self.frequency,
            lower_case=self.lower_case,
            least_texts=self.least_texts,
        )

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> LatentSemanticProcessor:
        from crossmod.text.fingerprint import require_setting
        from crossmod.text.latent_semantics import LatentSemanticProcessor

        processor = LatentSemanticProcessor.load(spec, files)
        require_setting(processor.spec, "width", self.width)
        ngrams = processor.ngrams.spec
        require_setting(ngrams, "word_orders", list(self.word_orders))
        require_setting(ngrams, "character_orders", list(self.character_orders))
        for name in ("buckets", "frequency", "lower_case"):
            require_setting(ngrams, name, getattr(self, name))
        return processor

    def build(self, processor: Any) -> LatentSemanticTower:
        from crossmod.text.latent_semantic_tower import LatentSemanticTower

        return LatentSemanticTower(processor)


@dataclass(frozen=True, kw_only=True)
class NgramBag(TowerSettings):
    """A weighted bag of hashed word and character n-grams under a small MLP: no word order, and minutes to train.

    Args:
        word_orders: The n of the word n-grams. (1 and 2 in fastText's classifier, arXiv:1607.01759.)
        character_orders: The n of the character n-grams within a word and its end marks. (3 to 6 in fastText,
            arXiv:1607.04606; 6 adds a third more n-grams.)
        buckets: Buckets that n-grams are hashed into. (2^16 holds the n-grams of some 100,000 short texts with
            few telling collisions; fastText has 2 million for whole languages.)
        frequency: Weight of a count within a text: its root ("sqrt") or 1 + log ("log"). (Both conventional.)
        least_texts: Training texts that an n-gram must occur in to be used at all. (1 uses all.)
        lower_case: Drop case. (As TextTransformer.)
        width: Width of the n-gram embeddings and of the pooled vector. (As TextTransformer.)
        depth: Residual MLP layers above the bag; 0 leaves it linear. (Convention: one hidden layer.)
        expansion: Width of the hidden layer of the MLPs, in widths. (Convention; 2, as the layer is not narrow.)
        dropout: Probability on the bag and on what each layer adds. (As TextTransformer.)
        ngram_dropout: Mean probability of dropping an n-gram in training. (Convention: as dropout.)
    """

    word_orders: tuple[int, ...] = (1, 2)
    character_orders: tuple[int, ...] = (3, 4, 5)
    buckets: int = 65536
    frequency: Literal["sqrt", "log"] = "sqrt"
    least_texts: int = 1
    lower_case: bool = True
    width: int = 256
    depth: int = 1
    expansion: float = 2.0
    dropout: float = 0.1
    ngram_dropout: float = 0.1

    def __post_init__(self) -> None:
        _positive(self, "buckets", "width", "least_texts")
        _probabilities(self, "dropout")
        if self.depth < 0:
            raise UserError(f"depth of NgramBag is {self.depth}; take 0 or more.")
        if not 0 <= self.ngram_dropout <= 0.5:
            raise UserError(
                f"ngram_dropout of NgramBag is {self.ngram_dropout}; take 0 to 0.5, as texts draw up to twice that."
            )

    def fit_processor(self, items: Sequence[Any]) -> NgramProcessor:
        from crossmod.text.ngrams import NgramProcessor

        return NgramProcessor.fit(
            items,
            buckets=self.buckets,
            word_orders=self.word_orders,
            character_orders=self.character_orders,
            frequency=self.frequency,
            lower_case=self.lower_case,
            least_texts=self.least_texts,
        )

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> NgramProcessor:
        from crossmod.text.fingerprint import require_setting
        from crossmod.text.ngrams import NgramProcessor

        processor = NgramProcessor.load(spec, files)
        require_setting(processor.spec, "word_orders", list(self.word_orders))
        require_setting(processor.spec, "character_orders", list(self.character_orders))
        for name in ("buckets", "frequency", "lower_case"):
            require_setting(processor.spec, name, getattr(self, name))
        return processor

    def build(self, processor: Processor) -> NgramBagTower:
        from crossmod.text.ngram_bag import NgramBagTower
        from crossmod.text.ngrams import NgramProcessor

        assert isinstance(processor, NgramProcessor)
        return NgramBagTower(
            processor,
            width=self.width,
            depth=self.depth,
            expansion=self.expansion,
            dropout=self.dropout,
            ngram_dropout=self.ngram_dropout,
        )


@dataclass(frozen=True, kw_only=True)
class HuggingFaceText(TowerSettings):
    """A text encoder from a Hugging Face model folder on this disk; takes `pip install "crossmod[huggingface]"`.

    Nothing is downloaded, only safetensors are read, and no code of the folder is run.

    Args:
        folder: The folder: config.json, a tokenizer and model.safetensors.
        pooling: "mean" of the tokens, the first token ("cls"), or the encoder's own layer ("pooler"). (The mean is
            best in Sentence-BERT, arXiv:1908.10084.)
        length: Most tokens a text keeps, specials included; longer texts are cut and counted. (As
            TextTransformer.)
        frozen: Keep the encoder as it is and train the rest. (CLIP and its followers train it.)
        hidden_layers: Last hidden layers whose mean gives the tokens; 1 takes the output alone. (Convention.)
    """

    folder: str
    pooling: Literal["mean", "cls", "pooler"] = "mean"
    length: int = 64
    frozen: bool = False
    hidden_layers: int = 1

    def __post_init__(self) -> None:
        _positive(self, "length", "hidden_layers")

    def fit_processor(self, items: Sequence[Any]) -> HuggingFaceProcessor:
        from crossmod.text.huggingface import HuggingFaceProcessor

        return HuggingFaceProcessor.from_folder(self.folder, self.length)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> HuggingFaceProcessor:
        from crossmod.text.fingerprint import require_setting
        from crossmod.text.huggingface import HuggingFaceProcessor

        processor = HuggingFaceProcessor.load(spec, files)
        require_setting(processor.spec, "length", self.length)
        return processor

    def build(self, processor: Processor) -> HuggingFaceTower:
        """Make the tower with the folder's weights.

        A processor that a model folder brought knows the architecture; where the Hugging Face folder is gone or
        holds another model by now, the weights are drawn at random, for the model folder's own to replace.
        """
        from crossmod.text.huggingface import HuggingFaceProcessor
        from crossmod.text.huggingface_tower import HuggingFaceTower, pretrained_encoder, untrained_encoder

        assert isinstance(processor, HuggingFaceProcessor)
        if processor.restored and not processor.belongs_to(self.folder):
            encoder = untrained_encoder(processor)
        else:
            encoder = pretrained_encoder(self.folder, self.pooling)
        return HuggingFaceTower(
            processor,
            encoder,
            pooling=self.pooling,
            frozen=self.frozen,
            hidden_layers=self.hidden_layers,
        )


def _positive(settings: TowerSettings, *names: str) -> None:
    for name in names:
        if getattr(settings, name) < 1:
            raise UserError(f"{name} of {type(settings).__name__} is {getattr(settings, name)}; take 1 or more.")


def _probabilities(settings: TowerSettings, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise UserError(
                f"{name} of {type(settings).__name__} is {getattr(settings, name)}; take 0 or more, and less than 1."
            )
