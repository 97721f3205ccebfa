"""Default tables of motion vectors, before any are fitted: counted on vectors that the search found.

A character is a symbol's cost in quarter bits, counted from "0".
"""

from __future__ import annotations

import numpy as np

from mediacodec_bitstream.tables import TableFamily

ALPHABET = 32
_ROOTS = (65536, 55109, 46341, 38968)  # 2^16 to the power of 0, -1/4, ... of 2

_COSTS = (
    "4@@FADLn@K<nAnIn 4?EB?>JnDHEn?nMn 5E?BGKHn?J9n@nHn 4BB@BAFnCG>n@nDn 4???CAInCJ>nDnJn 5<C>D<GnFHCnCnHn "
    "5C=>GGHnCH:nEnEn 5@@=FAEnEE=nBn@n 5EDI?AJn?J?n:nFn 5DGI<<InCHDn:nFn 6HEHDGGn=I:n;n?n 6FFEAAEnAG>n;n<n "
    "5BCAA?InBK=n=nEn 6@EA@;EnEFCn=n@n 6FABEEFnAG:n>n;n 7CCACADnDD>n>n9n 1IIQJNSnHUHnJn]n 0GNOGKSnMTNnKn]n "
    "1MFONURnGSDnKnWn 1HHJHKOnHRFnGnRn 0JJMOPUnNYLnOnZn 1EKJKIRnOUNnMnVn 1KDJORSnKTEnMnTn 1EDEJILnINDnHnKn "
    "0OOUIPVnIXLnHnYn 1LORDIRnKSNnEnSn 1PKQKRQnDUEnFnOn 1JJLEILnENEnAnHn 1HHLGHOnGQFnGnPn 1EJIEDMnJNInDnLn "
    "1JEIJMLnENAnEnHn 2GGGGGJnGKCnCnCn 5?<D=DJn>JBnAnEn 8;?A9>HnAGEn@nIn :B:ACIHn=I8nBnAn =?9<ADFn?F:n>nAn "
    "8;:=ABHnAG@nDnJn 9::<@>GnFHCnCnAn =B6=GHGnBI9nCnAn ?@6:FCFnEH=nBn=n :FEI;EJn=KDn5nEn >CGF9>GnBHDn6n?n "
    "@FCFCGGn=I:n7n;n BFED@AEn@G=n7n8n <@AB;?Dn?FAn8n@n @@EB:;EnCFBn9n<n AE@ACDEn@G9n:n8n DDD@C@DnCF<n:n6n 53 72 "
    "91 =1 1< 19 27 35 82 ;1 =1 B0 1; 26 44 63 A0 C0 F0 I0 36 62 :1 =1 5nnnn3 7<nnn3 8;>nn4 ;=?>n3 3nnnn5 6<nnn4 "
    "6;Ann4 ;;AAn3 6nnnn3 9<nnn2 9=Ann3 <=A?n2 NONMMLLJIHGEDA=<=ADEGHIJLLMMNON8 ONONMMKJIHGEDA===ADEGHIJKMMNONO8 "
    "OOOONMLKJIGEC@<<<@CEGIJKLMNOOOO9 VUTSRSQNNLJFD>7n7>DFJLNNQSRSTUVB TSVSRPPNLKIFC?;7;?CFIKLNPPRSVSTA "
    "KLLKKJJHHGGEDB@>@BDEGGHHJJKKLLK6 XUWUSPPNNKJFD>7n7>DFJKNNPPSUWUXA WVVSSRQNLKIFC?;7;?CFIKLNQRSSVVWB "
    "MMLKLLJIIHGDDBA>ABDDGHIIJLLKLMM6 U[VWUUUNNLKEC=7n7=CEKLNNUUUWV[UB XXZVWVSPOLKFD?:7:?DFKLOPSVWVZXXC "
    "MMMLLLKJIGFCDA@<@ADCFGIJKLLLMMM7 3C6 0D A0 "
)


def default_tables() -> TableFamily:
    """A table for each context of `vector_coding`."""
    rows = _COSTS.split()
    counts = np.zeros((len(rows), ALPHABET), np.int64)
    for row, costs in zip(counts, rows, strict=True):
        for symbol, cost in enumerate(costs):
            quarters = ord(cost) - ord("0")
            row[symbol] = (_ROOTS[quarters % 4] << 14) >> quarters // 4
    return TableFamily.from_counts(counts)
