"""Everything without a network: drawn characters, a stand-in booru, the whole pipeline on them."""
