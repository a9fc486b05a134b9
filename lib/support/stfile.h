/* What reading and writing safetensors share. */
#ifndef MC_SUPPORT_STFILE_H
#define MC_SUPPORT_STFILE_H
/* Bytes of an element of a safetensors dtype; 0: no such dtype. */
int mc_st_dtype_size(const char *name);
#endif
