package deflate

import "strconv"

// What RFC 1951 fixes about the format.

const (
	minMatch      = 3   // shortest match
	maxMatch      = 258 // longest match
	minWindowBits = 8   // RFC 7692, section 7.1.2
	maxWindowBits = 15  // distances go up to 2^15

	endOfBlock = 256 // the literal/length symbol that ends a block
	numLitLen  = 286 // literal/length symbols in use; 286 and 287 have fixed codes but no meaning
	numDist    = 30  // distance symbols in use; 30 and 31 have fixed codes but no meaning
	numCodeLen = 19  // symbols of the code that describes code lengths

	maxCodeBits    = 15 // longest literal/length or distance code
	maxCodeLenBits = 7  // longest code of a code length

	// RFC 1951, section 3.2.3: BTYPE.
	blockStored  = 0
	blockFixed   = 1
	blockDynamic = 2

	// RFC 1951, section 3.2.7: the symbols of the code length code above 15.
	repeatPrevious = 16 // 3 to 6 times, 2 extra bits
	repeatZero     = 17 // 3 to 10 times, 3 extra bits
	repeatZeroLong = 18 // 11 to 138 times, 7 extra bits
)

// RFC 1951, section 3.2.5: what length symbols (from 257) and distance symbols (from 0) stand for: a base, to which so
// many extra bits are added.
var (
	lengthBase = [numLitLen - 257]uint16{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	lengthExtra = [numLitLen - 257]uint8{
		0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
	}
	distBase = [numDist]uint16{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
		8193, 12289, 16385, 24577,
	}
	distExtra = [numDist]uint8{
		0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
	}
)

// codeLenOrder is the order in which the lengths of the code length code are sent: RFC 1951, section 3.2.7.
var codeLenOrder = [numCodeLen]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedLitLenBits returns the code lengths of the fixed literal/length code: RFC 1951, section 3.2.6.
func fixedLitLenBits() (lens [288]uint8) {
	for s := range lens {
		switch {
		case s < 144:
			lens[s] = 8
		case s < 256:
			lens[s] = 9
		case s < 280:
			lens[s] = 7
		default:
			lens[s] = 8
		}
	}
	return lens
}

// fixedDistBits returns the code lengths of the fixed distance code: RFC 1951, section 3.2.6.
func fixedDistBits() (lens [32]uint8) {
	for s := range lens {
		lens[s] = 5
	}
	return lens
}

// checkWindowBits panics if there is no such window: RFC 7692, section 7.1.2.
func checkWindowBits(bits int) {
	if bits < minWindowBits || bits > maxWindowBits {
		panic("deflate: no window has " + strconv.Itoa(bits) + " bits")
	}
}
