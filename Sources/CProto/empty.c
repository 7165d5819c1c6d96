#include "CProto.h"
