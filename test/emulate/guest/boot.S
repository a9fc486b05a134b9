/* The first sector of a disk: reads SECTORS sectors after itself to 16 MiB by the ATA port (no BIOS
 * call takes that much), enters 64-bit mode with the first GiB mapped as it is, allows AVX-512, and
 * goes on at 16 MiB. For an emulated PC; see run.sh. */
        .code16
        .text
        .globl _start
_start: cli
        xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %ss
        movw $0x7c00, %sp
        inb $0x92, %al                  /* address line 20 */
        orb $2, %al
        outb %al, $0x92
        lgdt table
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        ljmp $8, $wide
        .code32
wide:   movw $16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movl $0x1000000, %edi
        xorl %ebx, %ebx                 /* sectors read */
sector: incl %ebx
        call ready
        movl %ebx, %eax
        shrl $24, %eax
        orb $0xe0, %al                  /* first disk, number of the sector in 28 bits */
        movw $0x1f6, %dx
        outb %al, %dx
        movw $0x1f2, %dx
        movb $1, %al
        outb %al, %dx
        movl %ebx, %eax
        incw %dx
        outb %al, %dx
        shrl $8, %eax
        incw %dx
        outb %al, %dx
        shrl $8, %eax
        incw %dx
        outb %al, %dx
        movw $0x1f7, %dx
        movb $0x20, %al                 /* read */
        outb %al, %dx
data:   inb %dx, %al
        testb $8, %al
        jz data
        movw $0x1f0, %dx
        movl $256, %ecx
        rep insw
        cmpl $SECTORS, %ebx
        jb sector
        movl $0x20000, %edi             /* page tables: one of each level, 512 pages of 2 MiB */
        xorl %eax, %eax
        movl $0xc00, %ecx
        rep stosl
        movl $0x21003, 0x20000
        movl $0x22003, 0x21000
        movl $0x83, %eax
        movl $0x22000, %edi
page:   movl %eax, (%edi)
        addl $8, %edi
        addl $0x200000, %eax
        cmpl $0x40000000, %eax
        jb page
        movl $0x20000, %eax
        movl %eax, %cr3
        movl $0x40620, %eax             /* CR4: PAE, SSE and its exceptions, XSAVE */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER: long mode */
        rdmsr
        orb $1, %ah
        wrmsr
        movl $0x80000003, %eax          /* paging, protection, the FPU as it is */
        movl %eax, %cr0
        ljmp $24, $long
ready:  movw $0x1f7, %dx
busy:   inb %dx, %al
        testb $0x80, %al
        jnz busy
        ret
        .code64
long:   xorl %ecx, %ecx
        xorl %edx, %edx
        movl $0xe7, %eax                /* XCR0: x87, xmm, ymm, masks, zmm */
        xsetbv
        fninit
        
        movl $0x1000000, %esp           /* the stack ends where the program begins */
        movl $0x1000000, %eax
        call *%rax
stop:   hlt
        jmp stop
        .p2align 3
gdt:    .quad 0
        .quad 0x00cf9a000000ffff        /* 8: code, 32 bits */
        .quad 0x00cf92000000ffff        /* 16: data */
        .quad 0x00af9a000000ffff        /* 24: code, 64 bits */
table:  .word . - gdt - 1
        .long gdt
        .org 510
        .word 0xaa55
