"""Tables to begin with, before any are fitted: counted on fields that the search found.

A character is a symbol's cost in quarter bits, counted from "0".
"""

from __future__ import annotations

import numpy as np

from mediacodec_bitstream.tables import TableFamily

ALPHABET = 32
_ROOTS = (65536, 55109, 46341, 38968)  # 2^16 to the power of 0, -1/4, ... of 2

_COSTS = (
    "3CBICFLnAT;nAnMn 3BGCBBFnFFAn@nLn 3H@CHJEn@E<nBnFn 3CB@DGHnC^>nAnIn 4BC>DBGnBJ=nAnKn 4<B?D=JnEHAnCnHn "
    "5B=>IHHnEJ:nDnEn 5@?=DDFnEF=nDnCn 5DCJBAKnBJ>n8nIn 5EGI<>InBJDn9nEn 5MGHCHKn=K;n;n?n 5EEFAEGn@H?n:n=n "
    "4DFDC@GnDI<n=nEn 6?EA?=EnDE@n=n?n 7FAAFFFn@G:n=n;n 8CC@CACnCD=n=n9n 1IIRJNQnGWFnKnWn 0GQQHPSnOUOnMnZn "
    "1OGRNXTnGVFnJnXn 1HHIHMMnGNGnGnSn 0HINNOTnMXInOn_n 1EKKMKSnQSMnMnXn 1MELPRRnLVEnLnSn 1EEEKILnINDnHnQn "
    "0PMaHQRnHVJnGnXn 1LRUELQnLTMnEnRn 1RKTLTRnETEnEnOn 1JJMFINnFPEnAnIn 1HGNGHRnGRCnGnMn 1DKJDEKnJLInDnKn "
    "1LEKKNLnEM@nEnGn 2FFGEGHnFJAnAnCn 6@;G=DKn>NCn@n@n 8<?B8?JnAIFnAnHn ;B:ADIIn=J7nAnAn <>:?ACEn>E:n>nCn "
    "7;9=BBHnBG@nGnLn 99:=?>FnFGDnEnFn =B6=HIFnAI8nEnCn @?7:ECGnDE<nCn?n 9HGL;EIn=IDn6nEn ?CFG9?FnBIDn6n?n "
    "?HCFCHHn=I9n7n;n BDDC@BDn?G;n7n:n <??C;?Dn?DBn8nBn @?EC9;DnDFBn9n<n AE@BCEFn@G8n:n9n DCC@C@CnCE<n:n7n 44 72 "
    "92 <1 1< 19 27 35 63 :1 <1 @0 1= 27 44 63 A0 B0 E0 I0 36 53 ;1 >1 5nnnn3 5;nnn4 6;?nn5 :;>>l4 2nnnn7 5:nnn5 "
    "6;@nn5 99@?k5 5nnnn3 8;nnn3 9=>nn3 ;<A>h3 QORPONMLKHHEDA<;<ADEHHKLMNOPROQ8 RSQPPOMKJJHEDB;;;BDEHJJKMOPPQSR9 "
    "STXTRQNMLJHED@:;:@DEHJLMNQRTXTS; n]`[PRPRNQJGC>7n7>CGJQNRPRP[`]nE SVUSSTNNNMJGD@:7:@DGJMNNNTSSUVSD "
    "JKKIJJJHIGGDDB@>@BDDGGIHJJJIKKJ7 U_YUR[QNPRMIE@6n6@EIMRPNQ[RUY_UE XWWTUUSNNLLGD@:6:@DGLLNNSUUTWWXE "
    "LMMLLLJHJGFCCA@>@ACCFGJHJLLLMML8 _c]XUZUPRNOHD?6n6?DHONRPUZUX]c_E Z[[[Z[UUTQNHE@:6:@EHNQTUU[Z[[[ZG "
    "MOPKLMKJIFD@A@?=?@A@DFIJKMLKPOM; 4C5 0D A0 "
)


def default_tables() -> TableFamily:
    """For `field`: a table for each of its contexts."""
    rows = _COSTS.split()
    counts = np.zeros((len(rows), ALPHABET), np.int64)
    for row, costs in zip(counts, rows, strict=True):
        for symbol, cost in enumerate(costs):
            quarters = ord(cost) - ord("0")
            row[symbol] = (_ROOTS[quarters % 4] << 14) >> quarters // 4
    return TableFamily.from_counts(counts)
