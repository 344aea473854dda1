"""What a program is: data, text and checks. Never changes a program, imports no other room."""
